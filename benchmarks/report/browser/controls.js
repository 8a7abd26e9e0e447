/* What is chosen and what is saved. */
function box(value, name, checked, hint, change) {
  const input = make("input", { type: "checkbox", value, checked });
  input.addEventListener("change", change);
  return make("label", {}, input, ` ${name} `, hint ? make("span", { className: "hint", textContent: hint }) : "");
}

const picker = (title, ...children) => make("details", { className: "pick" }, title, make("div", { className: "choices" }, ...children));

function filterPicker({ id, label, values }) {
  const title = make("summary");
  const name = () => {
    const names = values.filter(([value]) => state[id].includes(value)).map(([, shown]) => shown);
    title.textContent = `${label}: ${names.length > 2 ? `${names.length} of ${values.length}` : names.join(", ") || "all"}`;
  };
  const boxes = values.map(([value, shown]) => box(value, shown, state[id].includes(value), "", () => {
    state[id] = boxes.map((each) => each.control).filter((each) => each.checked).map((each) => each.value);
    name();
    changed();
  }));
  name();
  const details = picker(title, ...boxes);
  details.dataset.filter = id;
  return details;
}

function columnPicker() {
  const groups = [ABOUT, ...data.groups].map((group) => {
    const own = COLUMNS.filter((column) => column.group === group && !ALWAYS.includes(column.id));
    const boxes = own.map(({ id, label, hint }) => box(id, label, state.columns.includes(id), hint, ({ target }) => {
      state.columns = target.checked ? [...state.columns, id] : state.columns.filter((other) => other !== id);
      changed();
    }));
    const legend = make("legend", { textContent: group.name });
    return own.length ? make("fieldset", {}, legend, make("p", { textContent: group.meaning }), ...boxes) : "";
  });
  const search = make("input", { type: "search", ariaLabel: "Search columns", placeholder: "Search columns" });
  const details = picker(make("summary", { textContent: "Columns" }), search, ...groups);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const label of details.querySelectorAll("label")) label.hidden = !label.textContent.toLowerCase().includes(wanted);
  });
  details.id = "columns";
  return details;
}

function controls() {
  const epoch = make("select", { id: "epoch" }, ...data.selections.map(({ id }) => make("option", { value: id, textContent: id })));
  epoch.value = state.epoch;
  epoch.addEventListener("change", () => {
    state.epoch = epoch.value;
    changed();
  });
  const search = make("input", { type: "search", id: "search", value: state.search });
  search.addEventListener("input", () => {
    state.search = search.value;
    table.search(search.value).draw();
    tell();
    remember();
  });
  const button = (textContent, click) => {
    const node = make("button", { type: "button", textContent });
    node.addEventListener("click", click);
    return node;
  };
  at("controls").replaceChildren(
    make("label", {}, "Search ", search),
    ...FILTERS.map(filterPicker),
    make("label", {}, "Epoch ", epoch),
    columnPicker(),
    "Save as ",
    ...Object.keys(FORMATS).map((kind) => button(kind, () => save(kind))),
    button("Reset", () => {
      history.replaceState(null, "", "#leaderboard");
      start();
    }),
  );
}

function changed() {
  draw();
  remember();
}

/* The table as a file: the methods in their order, with the columns that are shown. */
const FORMATS = {
  CSV: { ending: "csv", write: csv },
  LaTeX: { ending: "tex", write: latex },
  Markdown: { ending: "md", write: markdown },
};

function csv(columns, rows, settings) {
  const exact = (value) => (value === null ? "" : String(Number(value.toPrecision(6))));
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const header = columns.flatMap(({ id, half }) => (half ? [id, `${id}_half`] : [id]));
  const lines = rows.map((method) => columns.flatMap(({ value, half, text }) =>
    half ? [exact(value(method, settings)), exact(half(method, settings))] : [text(method, settings)]));
  return [header, ...lines].map((line) => line.map(quoted).join(",")).join("\n");
}

/* The texts of the rows; `forms` says how each mark is written. */
function written(columns, rows, settings, escaped, forms) {
  return rows.map((method) => columns.map(({ text, mark }) => {
    const form = forms[mark?.(method, settings)] ?? "?";
    return form.replace("?", () => escaped(text(method, settings)));
  }));
}

function latex(columns, rows, settings) {
  const named = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "−": "$-$", "‡": "$^\\ddagger$", "–": "--" };
  const escaped = (text) => text.replace(/[\\~^±−‡–&%$#_{}]/g, (sign) => named[sign] ?? `\\${sign}`);
  const forms = { b: "\\textbf{?}", e: "\\underline{?}", o: "\\textit{?}", x: "\\textcolor{gray}{?}" };
  const lines = written(columns, rows, settings, escaped, forms);
  const row = (texts) => `${texts.join(" & ")} \\\\`;
  return [
    "% needs \\usepackage{booktabs,xcolor}",
    `\\begin{tabular}{${columns.map(({ words }) => (words ? "l" : "r")).join("")}}`,
    "\\toprule",
    row(columns.map(({ label }) => escaped(label))),
    "\\midrule",
    ...lines.map(row),
    "\\bottomrule",
    "\\end{tabular}",
  ].join("\n");
}

function markdown(columns, rows, settings) {
  const escaped = (text) => text.replace(/[\\`*|$_<]/g, "\\$&");
  const forms = { b: "**?**", e: "<ins>?</ins>", o: "*?*", x: "<sub>?</sub>" };
  const rule = columns.map(({ words }) => (words ? ":--" : "--:"));
  const lines = written(columns, rows, settings, escaped, forms);
  return [columns.map(({ label }) => escaped(label)), rule, ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function save(kind) {
  const rows = table.rows({ search: "applied", order: "applied" }).data().toArray().map(({ method }) => method);
  const { ending, write } = FORMATS[kind];
  const file = new Blob([write(shownColumns(), rows, averaged()), "\n"], { type: "text/plain" });
  const href = URL.createObjectURL(file);
  make("a", { href, download: `leaderboard.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

at("controls").addEventListener("submit", (event) => event.preventDefault());
const openPickers = () => [...document.querySelectorAll("details.pick[open]")];
document.addEventListener("click", ({ target }) => {
  for (const details of openPickers()) details.open = details.contains(target);
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  for (const details of openPickers()) {
    details.open = false;
    details.querySelector("summary").focus();
  }
});

function start() {
  recall();
  controls();
  draw();
}
window.addEventListener("hashchange", () => location.hash.startsWith("#leaderboard?") && start());
start();
if (location.hash.startsWith("#leaderboard?")) at("leaderboard").scrollIntoView();

/* Figures come after the leaderboard, and not only when they are scrolled to, as they may be printed:
   one after the other, in moments when nothing else is to be done. */
const idle = (done) => (window.requestIdleCallback ? requestIdleCallback(done, { timeout: 500 }) : setTimeout(done));
window.addEventListener("load", async () => {
  for (const image of document.images) {
    await new Promise(idle);
    image.loading = "eager";
  }
});
