/** What every page's frame can do: switch between light and dark, and log out. */
import { post } from "./api.js";
import { leaveFor } from "./leaving.js";

const SCHEMES = ["auto", "light", "dark"];
const YEAR_S = 31_536_000;

const root = document.documentElement;

for (const choice of document.querySelectorAll("input[name=scheme]")) {
  choice.addEventListener("change", () => setScheme(/** @type {HTMLInputElement} */ (choice).value));
}
document.getElementById("log-out")?.addEventListener("click", logOut);

/** The server reads the cookie and renders the next page in the right scheme at once. @param {string} scheme */
function setScheme(scheme) {
  if (!SCHEMES.includes(scheme)) return;
  root.dataset.scheme = scheme;
  document.cookie = `scheme=${scheme}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

/** @param {Event} event */
async function logOut({ currentTarget }) {
  const button = /** @type {HTMLButtonElement} */ (currentTarget);
  button.disabled = true;
  try {
    await post("/api/auth/logout");
    leaveFor("/login?ended=logout");
  } catch (error) {
    button.disabled = false;
    const notice = document.getElementById("log-out-failed");
    if (notice) notice.textContent = error instanceof Error ? error.message : String(error);
  }
}
