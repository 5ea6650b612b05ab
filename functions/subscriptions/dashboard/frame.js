// In the frame of a product's page: gets new tokens from that page. `embed.js` is the other side.

const WAIT_MS = 10_000;
/** So long before a token ends, the next one is asked for. */
const EARLY_MS = 60_000;

/** Whether the page stands in a frame. */
export const isFramed = () => window.parent !== window;

/** A new token from the page around this one, if it is of these origins and brings one in time. */
export function tokenFrom(origins) {
  return new Promise((resolve) => {
    const done = (token) => {
      clearTimeout(timer);
      removeEventListener("message", take);
      resolve(token);
    };
    const take = ({ source, origin, data }) => {
      if (source === window.parent && origins.includes(origin) && data?.type === "rung:token" && typeof data.token === "string") done(data.token);
    };
    const timer = setTimeout(done, WAIT_MS);
    addEventListener("message", take);
    // Whoever is around may know that a token is wanted.
    window.parent.postMessage({ type: "rung:token-wanted" }, "*");
  });
}

/** How long until the token after one that ends then, and lives so long, is to be asked for: never more than six times in its life. */
export const renewalIn = (ends, life) => Math.max(life / 6, ends - Date.now() - EARLY_MS);
