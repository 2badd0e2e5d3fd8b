// Finds the columns of a file of texts from its beginning, so that the user can choose
// them before anything is sent. The server reads the file by its own, stricter rules.

/** firstRows returns the names of the columns, or of the members of JSON objects, and the
 * values of the first row. */
export function firstRows(text, file) {
  text = text.replace(/^\ufeff/, "");
  if (/^\s*[[{]/.test(text)) return firstObject(text);
  const [names = [], first = []] = table(text, /\.tsv$/i.test(file) || !text.split("\n", 1)[0].includes(",") && text.includes("\t") ? "\t" : ",");
  return {names: names.map(n => n.trim()).filter(Boolean), first};
}

/** table reads the first two rows of a CSV. */
function table(text, separator) {
  const rows = [];
  let row = [], value = "", quoted = false;
  for (let i = 0; i < text.length && rows.length < 2; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') value += c;
      else if (text[i + 1] === '"') value += text[++i];
      else quoted = false;
    } else if (c === '"' && value === "") {
      quoted = true;
    } else if (c === separator || c === "\n") {
      row.push(value.replace(/\r$/, ""));
      value = "";
      if (c === "\n") {
        rows.push(row);
        row = [];
      }
    } else {
      value += c;
    }
  }
  if (rows.length < 2 && (value || row.length)) rows.push([...row, value]);
  return rows;
}

/** firstObject reads the first object of JSON lines, or of an array. */
function firstObject(text) {
  let depth = 0, quoted = false, begin = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === "\\") i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') {
      quoted = true;
    } else if (c === "{") {
      if (depth++ === 0) begin = i;
    } else if (c === "}" && --depth === 0) {
      try {
        const object = JSON.parse(text.slice(begin, i + 1));
        return {names: Object.keys(object), first: Object.values(object).map(String)};
      } catch {
        break; // the server says what is wrong
      }
    }
  }
  return {names: [], first: []};
}
