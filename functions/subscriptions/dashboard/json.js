// JSON as text. It is never read into numbers and written again: those beyond a double's digits would come out as others.

const BLANK = /[ \t\r\n]/;

/** Where the string that begins at `at` ends. */
function endOfString(text, at) {
  for (at += 1; text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
  return at + 1;
}

/** The text of the member at `path` of a JSON object; `undefined` where there is none. */
export function member(text, path) {
  let [depth, found] = [0, 0];
  for (let at = 0; at < text.length;) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      let after = end;
      while (BLANK.test(text[after])) after += 1;
      // A name in the object that the path has led to.
      if (text[after] === ":" && depth === found + 1 && JSON.parse(text.slice(at, end)) === path[found]) {
        found += 1;
        if (found === path.length) return value(text, after + 1);
      }
      at = end;
      continue;
    }
    if (char === "{" || char === "[") depth += 1;
    if (char === "}" || char === "]") {
      depth -= 1;
      if (depth <= found) return undefined;
    }
    at += 1;
  }
  return undefined;
}

/** The text of the value that begins behind `at`. */
function value(text, at) {
  let depth = 0;
  for (let end = at; end < text.length;) {
    const char = text[end];
    if (char === '"') {
      end = endOfString(text, end);
      continue;
    }
    if (char === "{" || char === "[") depth += 1;
    if (depth === 0 && (char === "," || char === "}")) return text.slice(at, end).trim();
    if (char === "}" || char === "]") depth -= 1;
    end += 1;
  }
  return undefined;
}

/** The same JSON, a member a line; what is no JSON is answered as `undefined`. */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  let [written, indent] = ["", "\n"];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      written += text.slice(at, end);
      at = end - 1;
    } else if (char === "{" || char === "[") {
      const close = text.slice(at + 1).match(/^\s*([}\]])/);
      if (close) {
        written += char + close[1];
        at += close[0].length;
      } else {
        indent += "  ";
        written += char + indent;
      }
    } else if (char === "}" || char === "]") {
      indent = indent.slice(0, -2);
      written += indent + char;
    } else if (char === ",") written += char + indent;
    else if (char === ":") written += ": ";
    else if (!BLANK.test(char)) written += char;
  }
  return written;
}
