/** Why something failed, in the person's language. */
import { hasText, lang, t } from "../page.js";

/** The server speaks English; to others its codes are told. @param {unknown} error @returns {string} */
export function reasonOf(error) {
  const { code = "internal", message = "" } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  return (lang === "en" && message) || !hasText(`chat.error.${code}`) ? message : t(`chat.error.${code}`);
}
