/** The HTTP API, shown by Swagger UI: requests are sent with the visitor's own cookie. */
import { followScheme } from "./scheme.js";

/** The bundle puts itself on the window. */
const { SwaggerUIBundle } = /** @type {any} */ (window);

SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: "none", // else a badge is fetched from elsewhere
  presets: [SwaggerUIBundle.presets.apis],
});
followScheme((isDark) => document.documentElement.classList.toggle("dark-mode", isDark));
