"use strict";
/* What is chosen, and the means of it. A mean is over settings within each seed, then over seeds: a
   seed counts where it finished in every setting that has the metric at all, as in the report. */
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);

const FILTERS = [
  { id: "dataset", label: "Dataset", of: "settings" },
  { id: "model", label: "Model", of: "settings" },
  { id: "recipe", label: "Recipe", of: "settings" },
  { id: "kind", label: "Noise family", of: "settings" },
  { id: "noise", label: data.words.noise, of: "settings" },
  { id: "family", label: "Method family", of: "methods" },
  { id: "spec", label: "Method", of: "methods", name: "label" },
  { id: "knowledge", label: "Clean knowledge", of: "methods" },
]
  .map((filter) => {
    const values = data[filter.of].map((row) => [row[filter.id], row[filter.name ?? filter.id]]);
    return { ...filter, values: [...new Map(values)] };
  })
  .filter(({ values }) => values.length > 1);

/* The address of the page holds what differs from this, so that a link shows the same. */
const initial = () => ({
  search: "",
  epoch: data.selections[0].id,
  sort: "place.asc",
  columns: ["against", ...data.shown, "seeds", "knowledge", "paper"],
  ...Object.fromEntries(FILTERS.map(({ id }) => [id, []])),
});
const state = initial();

function remember() {
  const usual = initial();
  const parts = new URLSearchParams();
  for (const key of Object.keys(usual)) {
    if (String(state[key]) === String(usual[key])) continue;
    for (const value of FILTERS.some(({ id }) => id === key) ? state[key] : [state[key]]) parts.append(key, value);
  }
  history.replaceState(null, "", `#leaderboard${String(parts) && "?"}${parts}`);
}

function recall() {
  const parts = new URLSearchParams(location.hash.split("?")[1] ?? "");
  Object.assign(state, initial());
  for (const { id, values } of FILTERS) state[id] = parts.getAll(id).filter((value) => values.some(([own]) => own === value));
  for (const key of ["search", "sort"]) state[key] = parts.get(key) ?? state[key];
  state.columns = parts.get("columns")?.split(",") ?? state.columns;
  if (data.selections.some(({ id }) => id === parts.get("epoch"))) state.epoch = parts.get("epoch");
}

const selection = () => data.selections.find(({ id }) => id === state.epoch);
const chosen = (kind) =>
  [...data[kind].keys()].filter((place) =>
    FILTERS.every(({ id, of }) => of !== kind || !state[id].length || state[id].includes(data[kind][place][id])));

/* The settings behind the means: of the chosen ones those that all methods have tried, if any. */
function averaged() {
  const shared = chosen("settings").filter((place) => data.settings[place].shared);
  return shared.length ? shared : chosen("settings");
}

const runsOf = data.methods.map(() => data.settings.map(() => [])); // places in data.runs
data.runs.forEach(([setting, method], place) => runsOf[method][setting].push(place));

/* Whether any method has the metric in the setting. */
const measuredBefore = new Map();
function isMeasured(metric, setting) {
  const { id, metrics, values } = selection();
  const key = `${id} ${metric.id} ${setting}`;
  const column = metrics.indexOf(metric.id);
  if (!measuredBefore.has(key)) {
    measuredBefore.set(key, runsOf.some((own) => own[setting].some((run) => values[run][column] !== null)));
  }
  return measuredBefore.get(key);
}

const average = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

/* The mean of a method over settings, half of its 95 % interval, and how many seeds it is of. */
function summary(metric, method, settings) {
  const { metrics, values } = selection();
  const column = metrics.indexOf(metric.id);
  const nothing = { mean: null, half: null, n: 0 };
  if (column < 0) return nothing;
  const wanted = settings.filter((setting) => isMeasured(metric, setting));
  const seeds = new Map();
  for (const run of wanted.flatMap((setting) => runsOf[method][setting])) {
    const [value, seed] = [values[run][column], data.runs[run][2]];
    if (value !== null) seeds.set(seed, [...(seeds.get(seed) ?? []), value]);
  }
  const means = [...seeds.values()].filter((list) => list.length === wanted.length).map(average);
  if (!means.length) return nothing;
  const [mean, n] = [average(means), means.length];
  const spread = Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const unknown = data.quantiles[n] === null || spread < 1e-6;
  return { mean, half: unknown ? null : data.quantiles[n] * spread, n };
}

function number(metric, value) {
  return value === null ? "–" : (metric.scale * value).toFixed(metric.digits).replace(/^-/, "−");
}

/* A mean with its interval, by its ends where it would leave the possible values. */
function withInterval(metric, { mean, half }) {
  const text = number(metric, mean);
  if (half === null || ["cost", "state"].includes(metric.id)) return text;
  const [low, high] = [mean - half, mean + half];
  const [least, most] = [metric.ends[0] ?? -Infinity, metric.ends[1] ?? Infinity];
  if (least <= low && high <= most) return `${text} ± ${number(metric, half)}`;
  return `${text} [${number(metric, Math.max(low, least))}, ${number(metric, Math.min(high, most))}]`;
}

/* Marks and places are of the report's tests, which were made for all shared settings together and
   for each setting, after the last epoch: any other choice has none. */
function allTogether(settings) {
  const shared = [...data.settings.keys()].filter((place) => data.settings[place].shared);
  return state.epoch === "last" && String(settings) === String(shared);
}

function marks(metric, settings) {
  if (allTogether(settings)) return data.marks[metric] ?? null;
  return state.epoch === "last" && settings.length === 1 ? (data.settings[settings[0]].marks[metric] ?? null) : null;
}
