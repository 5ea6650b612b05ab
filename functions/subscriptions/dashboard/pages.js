// Lists of pages that stay up to date: the newest page is asked for again and again, older ones when somebody wants them.

/** `ask` answers the page at a cursor as `{ items, next_cursor }`; `idOf` tells items apart. */
export function pages(ask, idOf) {
  let paged = false;
  const list = {
    items: [],
    cursor: null,
    async refresh() {
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
    },
    async older() {
      const page = await ask(list.cursor);
      const ids = new Set(list.items.map(idOf));
      list.items = [...list.items, ...page.items.filter((item) => !ids.has(idOf(item)))];
      list.cursor = page.next_cursor;
      paged = true;
    },
    /** Takes an item out that is known to be gone. */
    drop(id) {
      list.items = list.items.filter((item) => idOf(item) !== id);
    },
  };
  return list;
}
