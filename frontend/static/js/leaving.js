/** Leave the page once. A logout is heard twice, as the answer and over the socket: a second navigation aborts the first. */

let leaving = false;
addEventListener("pageshow", () => { leaving = false; }); // Back may restore the page as it was left

/** @param {string} url of this site */
export function leaveFor(url) {
  if (leaving) return;
  leaving = true;
  location.assign(url);
}
