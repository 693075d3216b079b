/** The forms of login and registration: checked in place, sent as JSON, faults shown where they belong. */
import { ApiError, post } from "./api.js";
import { hasText, lang, t } from "./page.js";

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-endpoint]"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button[type=submit]"));
const alert = /** @type {HTMLElement} */ (form.querySelector("[role=alert]"));
const fields = [...form.querySelectorAll("input")];

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
for (const field of fields) {
  field.addEventListener("input", () => showFault(field, ""));
}
for (const toggle of form.querySelectorAll("button[data-shows]")) {
  toggle.addEventListener("click", () => togglePassword(/** @type {HTMLButtonElement} */ (toggle)));
}
button.disabled = false; // without this script the form could do nothing

async function submit() {
  if (button.getAttribute("aria-disabled") === "true" || !allValid()) return;
  setBusy(true);
  alert.textContent = "";
  const body = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
  try {
    await post(form.dataset.endpoint ?? "", body);
    location.assign(form.dataset.next ?? "/numbers");
  } catch (error) {
    setBusy(false);
    showError(error instanceof ApiError ? error : new ApiError("internal", t("error.internal")));
  }
}

/** Show all faults at once and lead to the first. */
function allValid() {
  const wrong = fields.filter((field) => {
    showFault(field, faultOf(field));
    return !field.validity.valid;
  });
  wrong[0]?.focus();
  return wrong.length === 0;
}

/** @param {HTMLInputElement} field */
function faultOf(field) {
  if (field.validity.valid) return "";
  if (field.validity.valueMissing) return t("form.required");
  const own = `form.${field.name}.invalid`;
  return hasText(own) ? t(own) : field.validationMessage;
}

/** @param {ApiError} error */
function showError(error) {
  const field = fieldOf(error);
  const text = textOf(error, field?.name);
  if (!field) {
    alert.textContent = text;
    return;
  }
  showFault(field, text);
  field.focus();
}

/**
 * The field that the server's message is about; undefined where it is about several or none.
 * @param {ApiError} error
 */
function fieldOf({ code, message }) {
  if (code !== "conflict" && code !== "bad_request") return undefined;
  const words = message.toLowerCase().replaceAll("e-mail", "email");
  const named = fields.filter(({ name }) => new RegExp(`\\bth(e|is) ${name}\\b`).test(words));
  return named.length === 1 ? named[0] : undefined;
}

/**
 * The server speaks English. To others its codes are told in their language, the closest text first.
 * @param {ApiError} error
 * @param {string} [field]
 */
function textOf({ code, message, retryAfterS }, field) {
  const keys = [`error.${code}.${field}`, `error.${form.dataset.page}.${code}`, `error.${code}`];
  const key = keys.find(hasText);
  return lang === "en" || !key ? message : t(key, { seconds: retryAfterS ?? 60 });
}

/** @param {HTMLInputElement} field @param {string} text */
function showFault(field, text) {
  const place = document.getElementById(`${field.id}-fault`);
  if (place) place.textContent = text;
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

/** @param {HTMLButtonElement} toggle */
function togglePassword(toggle) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById(toggle.dataset.shows ?? ""));
  const isShown = field.type === "password";
  field.type = isShown ? "text" : "password";
  toggle.textContent = t(isShown ? "form.hide" : "form.show");
  toggle.setAttribute("aria-label", t(isShown ? "form.hide-password" : "form.show-password"));
  field.focus();
}

/** Marked rather than disabled, so that the focus stays. @param {boolean} isBusy */
function setBusy(isBusy) {
  button.setAttribute("aria-disabled", String(isBusy));
  form.setAttribute("aria-busy", String(isBusy));
}
