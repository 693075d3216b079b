/** Shows the AsyncAPI document that the page around this frame sends. The frame has no origin and no network. */

(() => {
  const place = document.getElementById("asyncapi");

  /** The bundle puts itself on the window. */
  const { AsyncApiStandalone } = /** @type {any} */ (window);

  addEventListener("message", ({ source, data }) => {
    if (source !== parent) return;
    document.documentElement.classList.toggle("is-dark", data.dark);
    if (data.document) {
      AsyncApiStandalone.render({ schema: data.document, config: { show: { sidebar: true, errors: false } } }, place);
    }
  });
  parent.postMessage("ready", "*");
})();
