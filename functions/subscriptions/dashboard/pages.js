// Lists of pages that stay up to date: the newest page is asked for again and again, older ones when somebody wants them.

/** So many older pages are asked for again when "Back" leads to a list. */
const MOST_AGAIN = 20;

/** How many older pages of a list somebody has asked for, where "Back" has led to. The browser's history keeps it with the address. */
export const remembered = (name) => Math.min(MOST_AGAIN, history.state?.older?.[name] ?? 0);
export const remember = (name, number) => history.replaceState({ ...history.state, older: { ...history.state?.older, [name]: number } }, "");

/**
 * `ask` answers the page at a cursor as `{ items, next_cursor }`; `idOf` tells items apart. A list with a name is as long as it
 * was when "Back" leads to it.
 */
export function pages(ask, idOf, name) {
  let [paged, number, isNew] = [false, 0, true];
  const list = {
    items: [],
    cursor: null,
    async refresh() {
      const again = name && isNew ? remembered(name) : 0;
      isNew = false;
      const page = await ask();
      const ids = new Set(page.items.map(idOf));
      const oldest = page.items.at(-1);
      const last = list.items.findIndex((item) => oldest && idOf(item) === idOf(oldest));
      if (paged && last >= 0) {
        list.items = [...page.items, ...list.items.slice(last + 1).filter((item) => !ids.has(idOf(item)))];
      } else if (!paged || oldest || !page.next_cursor) {
        // Either nothing older is shown, or so much is new that it no longer goes on from there.
        Object.assign(list, { items: page.items, cursor: page.next_cursor });
        paged = false;
      }
      while (number < again && list.cursor) await list.older();
    },
    async older() {
      const page = await ask(list.cursor);
      const ids = new Set(list.items.map(idOf));
      list.items = [...list.items, ...page.items.filter((item) => !ids.has(idOf(item)))];
      list.cursor = page.next_cursor;
      paged = true;
      number += 1;
      if (name) remember(name, number);
    },
    /** Takes an item out that is known to be gone. */
    drop(id) {
      list.items = list.items.filter((item) => idOf(item) !== id);
    },
  };
  return list;
}
