/* The table: a row for each method, below it its settings, below these their runs. */
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const MARKS = {
  b: { words: "best", tag: "strong" },
  e: { words: "equivalent", tag: "ins" },
  o: { words: "not resolved", tag: "em" },
  w: { words: "worse", tag: "span" },
  x: { words: "lost runs or chance", tag: "span" },
};

/* A column says of a method in some settings: the value to sort by, the text, its mark. */
const ABOUT = { name: "Method", meaning: "What is it, and where does it come from?" };
const fact = (id, label, hint, more = {}) => ({
  id, label, hint, group: ABOUT, words: true,
  value: (method) => data.methods[method][id] || null,
  text: (method) => data.methods[method][id] || "–",
  ...more,
});
const COLUMNS = [
  {
    id: "place", label: "Place", group: ABOUT,
    hint: `by mean ${data.words.accuracy}; in brackets the first and the last place that the tests leave it`,
    value: (method) => order[method],
    text: (method) => {
      const [, first, last] = data.methods[method].place ?? [];
      if (order[method] === null) return "–";
      return allTogether(averaged()) ? `${order[method]} [${first}, ${last}]` : String(order[method]);
    },
  },
  fact("label", "Method", "‡: was given clean or outside knowledge", { node: methodNode }),
  ...data.metrics.map((metric) => ({
    id: metric.id, label: metric.label, group: data.groups[metric.group], down: metric.better !== "lower",
    hint: `${metric.meaning}; better: ${metric.better}`,
    value: (method, settings) => summary(metric, method, settings).mean,
    half: (method, settings) => summary(metric, method, settings).half,
    text: (method, settings) => withInterval(metric, summary(metric, method, settings)),
    mark: (method, settings) => marks(metric.id, settings)?.[method],
  })),
  {
    id: "seeds", label: "n", group: ABOUT, hint: `seeds behind the mean ${data.words.accuracy}`,
    value: (method, settings) => summary(data.metrics[0], method, settings).n,
    text: (method, settings) => String(summary(data.metrics[0], method, settings).n),
  },
  fact("knowledge", "Clean knowledge", "what it is told that given labels do not tell"),
  fact("family", "Family", "methods that work alike"),
  fact("paper", "Paper", "sorts by year", { value: (method) => data.methods[method].year || null, node: paperNode }),
  fact("title", "Title", "of the paper"),
  fact("venue", "Venue", "of the paper"),
  fact("year", "Year", "of the paper"),
];
COLUMNS.splice(3, 0, {
  id: "against", label: "Beside the best", words: true, group: data.groups[0], bySetting: true,
  hint: `what the tests say of its ${data.words.accuracy} and the best one`,
  value: (method, settings) => Object.keys(MARKS).indexOf(marks("acc", settings)?.[method]),
  text: (method, settings) => MARKS[marks("acc", settings)?.[method]]?.words ?? "–",
});
const ALWAYS = ["place", "label"];
const shownColumns = () => COLUMNS.filter(({ id }) => ALWAYS.includes(id) || state.columns.includes(id));
const classOf = ({ id, words }) => [id === "label" && "name", words && "text"].filter(Boolean).join(" ");

function opener(key, text, label) {
  const button = make("button", { type: "button", className: "open", textContent: text, ariaLabel: label });
  button.dataset.key = key;
  button.ariaExpanded = String(opened.has(key));
  return button;
}

function methodNode(method) {
  const { label, colour, full, summary: idea, passport } = data.methods[method];
  const swatch = make("span", { className: "swatch" });
  swatch.style.background = colour;
  const button = opener(String(method), label, `${label}: its settings`);
  button.title = [full, idea, passport].filter(Boolean).join("\n");
  return make("span", {}, swatch, button);
}

function paperNode(method) {
  const { url, title, paper } = data.methods[method];
  return url ? make("a", { href: url, title, textContent: paper }) : paper || "–";
}

function content(column, method, settings) {
  if (column.node) return column.node(method);
  const [text, mark] = [column.text(method, settings), MARKS[column.mark?.(method, settings)]];
  return mark ? make(mark.tag, { textContent: text, className: mark === MARKS.x ? "out" : "" }) : document.createTextNode(text);
}

/* The rows below a method: its settings, each with its runs where it is open. */
function rowsBelow(method) {
  const columns = shownColumns();
  return chosen("settings").filter((setting) => runsOf[method][setting].length).flatMap((setting) => {
    const { name, shared } = data.settings[setting];
    const key = `${method} ${setting}`;
    const first = [opener(key, name, `${data.methods[method].label}, ${name}: its runs`), shared ? "" : " (not in the mean)"];
    const cells = columns.map((column) => {
      const told = column.mark || column.bySetting || column.id === "seeds";
      const nodes = column.id === "label" ? first : told ? [content(column, method, [setting])] : [];
      return make("td", { className: classOf(column) }, ...nodes);
    });
    const rows = [make("tr", { className: "setting" }, ...cells)];
    if (opened.has(key)) rows.push(make("tr", { className: "runs" }, make("td", { colSpan: columns.length }, runTable(method, setting))));
    return rows;
  });
}

/* Every run of a method in a setting, with its curves where the page has them. */
let curves = null;
function runTable(method, setting) {
  const { metrics, values } = selection();
  curves ??= JSON.parse(at("curves").textContent);
  const shown = data.metrics.filter(({ id }) => metrics.includes(id) && state.columns.includes(id));
  const names = ["Seed", ...shown.map(({ label }) => label), "Status", "Noise (%)", "Labels", "Cell", "By epoch"];
  const rows = runsOf[method][setting].map((run) => {
    const [, , seed, cell, status, reason, realised, labels] = data.runs[run];
    const numbers = shown.map((metric) => number(metric, values[run][metrics.indexOf(metric.id)]));
    const noise = realised === null ? "–" : (100 * realised).toFixed(1);
    const texts = [seed, ...numbers, status + (reason && `: ${reason}`), noise, labels, cell];
    return make("tr", {}, ...texts.map((textContent) => make("td", { textContent })), make("td", {}, spark(curves[run], method)));
  });
  const head = make("tr", {}, ...names.map((textContent) => make("th", { scope: "col", textContent })));
  const ariaLabel = `Runs of ${data.methods[method].label}, ${data.settings[setting].name}`;
  return make("div", { className: "wide", tabIndex: 0, role: "group", ariaLabel },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

function spark(lines, method) {
  if (!lines) return "";
  const draw = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const paths = lines.map((line, k) => {
    const step = 116 / Math.max(1, line.length - 1);
    const points = line.map((v, i) => (v === null ? null : `${(2 + i * step).toFixed(1)} ${(26 - 0.024 * v).toFixed(1)}`));
    return draw("path", { d: `M${points.filter(Boolean).join("L")}`, stroke: k ? "#8c959f" : data.methods[method].colour });
  });
  return draw("svg", { width: 120, height: 28, role: "img", "aria-label": data.words.curves, class: "spark" }, ...paths);
}

/* Two rows: the groups, and the columns, which sort. */
function head(columns) {
  const top = make("tr", {}, make("td", { colSpan: ALWAYS.length }));
  top.dataset.dtOrder = "disable";
  columns.slice(ALWAYS.length).forEach(({ group }, k, rest) => {
    if (group === rest[k - 1]?.group) top.lastChild.colSpan += 1;
    else top.append(make("th", { scope: "colgroup", textContent: group.name, title: group.meaning, className: "group" }));
  });
  const names = columns.map(({ label, hint }) => make("th", { scope: "col", textContent: label, title: hint }));
  return make("thead", {}, top, make("tr", {}, ...names));
}

/* Whatever has no value comes last, sorted up or down. */
const compare = (sign) => (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
};
DataTable.type("measure", { detect: () => false, order: { asc: compare(1), desc: compare(-1) } });

const opened = new Set(); // "method" and "method setting"
let order = []; // the place of each method
let table = null;

function draw() {
  const [columns, settings] = [shownColumns(), averaged()];
  const means = data.methods.map((_, method) => summary(data.metrics[0], method, settings).mean);
  order = means.map((mean) => (mean === null ? null : 1 + means.filter((other) => other > mean).length));
  table?.destroy();
  const board = make("table", { id: "board" }, head(columns));
  at("board-box").replaceChildren(make("div", { className: "wide tall", tabIndex: 0, role: "group", ariaLabel: "Leaderboard" }, board));
  const [id, direction] = state.sort.split(".");
  table = new DataTable(board, {
    data: chosen("methods").map((method) => ({ method })),
    columns: columns.map((column) => ({
      data: null,
      type: "measure",
      className: classOf(column),
      searchable: column.id === "label",
      orderSequence: column.down ? ["desc", "asc"] : ["asc", "desc"],
      render: (_, kind, { method }) => {
        if (kind === "filter") return searched(method);
        return kind === "display" ? content(column, method, settings) : column.value(method, settings);
      },
    })),
    order: [[Math.max(0, columns.findIndex((column) => column.id === id)), direction === "desc" ? "desc" : "asc"]],
    search: { search: state.search },
    paging: false,
    autoWidth: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
  });
  table.on("order", () => {
    const [[column, way]] = table.order();
    state.sort = `${columns[column].id}.${way}`;
    remember();
  });
  table.rows().every(function () {
    unfold(this);
  });
  tell();
}

const searched = (method) => {
  const { label, spec, family, authors, title, venue, year } = data.methods[method];
  return [label, spec, family, authors, title, venue, year].join(" ");
};

function unfold(row) {
  const { method } = row.data();
  if (opened.has(String(method))) row.child(rowsBelow(method)).show();
  else row.child(false);
}

at("board-box").addEventListener("click", ({ target }) => {
  const { key } = target.closest("button.open")?.dataset ?? {};
  if (key === undefined) return;
  opened.delete(key) || opened.add(key);
  table.rows((_, row) => row.method === Number(key.split(" ")[0])).every(function () {
    unfold(this);
  });
  const button = at("board").querySelector(`[data-key="${key}"]`);
  button.ariaExpanded = String(opened.has(key));
  button.focus();
});

/* Say what the table shows. */
function tell() {
  const settings = averaged();
  const one = settings.length === 1 ? `In ${data.settings[settings[0]].name}.` : `Means over ${settings.length} settings.`;
  const said = [
    `${table.rows({ search: "applied" }).count()} of ${data.methods.length} methods.`,
    settings.length ? one : "No setting has all that is chosen.",
    selection().meaning,
  ];
  if (settings.length && marks("acc", settings) === null) {
    said.push("No marks and no brackets behind places: the tests were made for all settings together and for each, after the last epoch.");
  }
  at("said").textContent = said.join(" ");
}
