// For the page of a product: shows the portal in a frame, and brings it a new link before the old one ends.

globalThis.rungPortal = {
  /** Shows the portal in an element. `link` asks the product's own server for a portal link: `url` and `token` as Rung answered them. */
  async open(element, link) {
    const { url } = await link();
    const { origin } = new URL(url);
    const frame = document.createElement("iframe");
    frame.title = "Webhooks";
    frame.allow = "clipboard-write";
    frame.src = url;
    addEventListener("message", async (message) => {
      if (message.source !== frame.contentWindow || message.origin !== origin || message.data?.type !== "rung:token-wanted") return;
      const { token } = await link();
      frame.contentWindow.postMessage({ type: "rung:token", token }, origin);
    });
    element.replaceChildren(frame);
    return frame;
  },
};
