"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
const state = { sort: null, down: true, shown: new Set(data.shown), open: new Set() };

function number(metric, value) {
  if (value === null) return "–";
  return metric.percent ? (100 * value).toFixed(1) : Math.abs(value) < 1000 ? value.toFixed(3) : value.toPrecision(4);
}

/* A mean with its interval, by its ends where it would leave the possible values. */
function withInterval(metric, mean, half) {
  if (mean === null || half === null) return number(metric, mean);
  const [low, high] = [mean - half, mean + half];
  const [least, most] = [metric.ends[0] ?? -Infinity, metric.ends[1] ?? Infinity];
  if (least <= low && high <= most) return `${number(metric, mean)} ± ${number(metric, half)}`;
  return `${number(metric, mean)} [${number(metric, Math.max(low, least))}, ${number(metric, Math.min(high, most))}]`;
}

function title(metric) {
  return metric.label + (metric.percent ? " (%)" : "");
}

/* The aggregated rows that the controls leave, each as an object. */
function rows() {
  const chosen = (id) => at(id).value;
  return data.rows
    .filter(([setting, method, selection]) => {
      const place = data.settings[setting];
      return (
        data.selections[selection].id === chosen("selection") &&
        (chosen("dataset") === "" || place.dataset === chosen("dataset")) &&
        (chosen("noise") === "" || place.noise === chosen("noise")) &&
        (chosen("method") === "" || data.methods[method].base === chosen("method"))
      );
    })
    .map(([setting, method, selection, n, means, halves]) => ({ setting, method, n, means, halves }));
}

function key(row, column) {
  return typeof column === "number" ? row.means[column] : row[column];
}

function sorted(list) {
  if (state.sort === null) return list;
  const sign = state.down ? -1 : 1;
  return [...list].sort((a, b) => {
    const [x, y] = [key(a, state.sort), key(b, state.sort)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y) || a.setting - b.setting || a.method - b.method;
  });
}

function head(columns) {
  const row = make("tr");
  for (const [column, text, hint, kind] of columns) {
    const button = make("button", { type: "button", textContent: text, title: hint });
    button.addEventListener("click", () => {
      const lower = typeof column === "number" && data.metrics[column].better !== "lower";
      state.down = state.sort === column ? !state.down : lower;
      state.sort = column;
      draw();
      at("board").querySelector(`[data-column="${column}"] button`).focus();
    });
    const cell = make("th", { scope: "col", className: kind }, button);
    cell.dataset.column = column;
    cell.ariaSort = state.sort === column ? (state.down ? "descending" : "ascending") : "none";
    row.append(cell);
  }
  at("board").tHead.replaceChildren(row);
}

function body(list, metrics, width) {
  const parts = [];
  for (const row of list) {
    const method = data.methods[row.method];
    const id = `${row.setting} ${row.method}`;
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = method.colour;
    const open = state.open.has(id);
    const button = make("button", { type: "button", textContent: row.n });
    button.ariaExpanded = String(open);
    button.ariaLabel = `${row.n} runs of ${method.label}, ${data.settings[row.setting].name}`;
    button.addEventListener("click", () => {
      open ? state.open.delete(id) : state.open.add(id);
      draw();
      at("board").querySelector(`[data-row="${id}"] button`)?.focus();
    });
    const line = make(
      "tr", {},
      make("td", { className: "text", title: method.full }, swatch, method.label),
      make("td", { className: "text", textContent: data.settings[row.setting].name }),
      make("td", {}, button),
    );
    for (const m of metrics) {
      line.append(make("td", { textContent: withInterval(data.metrics[m], row.means[m], row.halves[m]) }));
    }
    line.dataset.row = id;
    parts.push(line);
    if (open) parts.push(make("tr", { className: "runs" }, make("td", { colSpan: width }, runs(row))));
  }
  at("board").tBodies[0].replaceChildren(...parts);
}

/* Every run behind a row, with its curves where the page has them. */
function runs(row) {
  const names = ["Seed", "Cell", "Status", ...data.cellMetrics.map((m) => title(data.metrics[m])), "Noise (%)", "Labels", "Training (s)", "Accuracy, memorised by epoch"];
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...names.map((text) => make("th", { textContent: text })))));
  const rowsOf = make("tbody");
  for (const cell of data.cells) {
    const [setting, method, seed, id, status, reason, realised, labels, seconds, values, curves] = cell;
    if (setting !== row.setting || method !== row.method) continue;
    const said = status + (reason ? `: ${reason}` : "");
    const shown = data.cellMetrics.map((m, k) => number(data.metrics[m], values[k] ?? null));
    const noise = realised === null ? "–" : (100 * realised).toFixed(1);
    const texts = [seed, id, said, ...shown, noise, labels, seconds === null ? "–" : seconds.toFixed(1)];
    rowsOf.append(make("tr", {}, ...texts.map((text) => make("td", { textContent: text })), make("td", {}, spark(curves, method))));
  }
  table.append(rowsOf);
  return table;
}

function spark(curves, method) {
  if (!curves) return "";
  const name = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(name, "svg");
  const size = { width: 120, height: 28, role: "img", class: "spark" };
  for (const [key_, value] of Object.entries(size)) image.setAttribute(key_, value);
  const hint = document.createElementNS(name, "title");
  hint.textContent = "Test accuracy (coloured) and memorised share of the wrong labels (grey), 0 to 100 %, over epochs";
  image.append(hint);
  curves.forEach((curve, k) => {
    const path = document.createElementNS(name, "path");
    const step = 116 / Math.max(1, curve.length - 1);
    const points = curve.map((v, i) => (v === null ? null : `${(2 + i * step).toFixed(1)} ${(26 - 0.024 * v).toFixed(1)}`));
    path.setAttribute("d", points.filter(Boolean).map((p, i) => (i ? "L" : "M") + p).join(""));
    path.setAttribute("stroke", k ? "#8c959f" : data.methods[method].colour);
    image.append(path);
  });
  return image;
}

function draw() {
  const metrics = data.metrics.map((_, m) => m).filter((m) => state.shown.has(data.metrics[m].id));
  const columns = [
    ["method", "Method", "in the order of the figures", "text"],
    ["setting", "Setting", "by dataset, then noise", "text"],
    ["n", "n", "seeds with a result", ""],
    ...metrics.map((m) => [m, title(data.metrics[m]), `${data.metrics[m].meaning}; better: ${data.metrics[m].better}`, ""]),
  ];
  const list = sorted(rows());
  head(columns);
  body(list, metrics, columns.length);
  const selection = data.selections.find((s) => s.id === at("selection").value);
  at("said").textContent = `${list.length} rows. ${selection.id}: ${selection.meaning}`;
}

function options(id, all, values) {
  const list = values.map(([value, text]) => make("option", { value, textContent: text }));
  at(id).replaceChildren(...(all ? [make("option", { value: "", textContent: all })] : []), ...list);
  at(id).addEventListener("change", draw);
}

const unique = (list) => [...new Set(list)];
options("dataset", "all", unique(data.settings.map((s) => s.dataset)).map((d) => [d, d]));
options("noise", "all", unique(data.settings.map((s) => s.noise)).map((d) => [d, d]));
options("method", "all", unique(data.methods.map((m) => m.base)).map((d) => [d, d]));
options("selection", "", data.selections.map((s) => [s.id, s.id]));
for (const metric of data.metrics) {
  const box = make("input", { type: "checkbox", checked: state.shown.has(metric.id), value: metric.id });
  box.addEventListener("change", () => {
    box.checked ? state.shown.add(metric.id) : state.shown.delete(metric.id);
    draw();
  });
  at("metrics").append(make("label", { title: metric.meaning }, box, ` ${metric.label}`));
}
at("controls").addEventListener("submit", (event) => event.preventDefault());
draw();
