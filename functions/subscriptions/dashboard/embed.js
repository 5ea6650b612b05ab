// For the page of a product: shows the portal in a frame, and brings it a new link before the old one ends.

globalThis.rungPortal = {
  /** Shows the portal in an element. `link` asks the product's own server for a portal link: `url` and `token` as Rung answered them. */
  async open(element, link) {
    /** A link, also where the first tries fail. */
    const linkAtLast = async (pauses = [500, 1_000, 3_000]) => {
      try {
        const made = await link();
        if (!made?.token) throw new Error("the portal link has no token");
        return made;
      } catch (error) {
        if (pauses.length === 0) throw error;
        await new Promise((resume) => setTimeout(resume, pauses[0]));
        return linkAtLast(pauses.slice(1));
      }
    };
    const { url } = await linkAtLast();
    const { origin } = new URL(url);
    const frame = document.createElement("iframe");
    frame.title = "Webhooks";
    frame.allow = "clipboard-write";
    frame.src = url;
    addEventListener("message", async (message) => {
      if (message.source !== frame.contentWindow || message.origin !== origin || message.data?.type !== "rung:token-wanted") return;
      try {
        const { token } = await linkAtLast();
        frame.contentWindow?.postMessage({ type: "rung:token", token }, origin);
      } catch (error) {
        // The portal asks again.
        console.error("no portal link:", error);
      }
    });
    element.replaceChildren(frame);
    return frame;
  },
};
