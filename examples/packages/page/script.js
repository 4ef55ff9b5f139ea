// One page, no framework: the address after # says what is shown, every change of it draws the view anew. All texts go
// through textContent; nothing from the database is ever read as HTML.
"use strict";

const view = document.getElementById("view");
const searchBox = document.getElementById("search");
const number = new Intl.NumberFormat("en");

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  const response = await fetch(path + (query.size ? "?" + query : ""));
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.detail || body.title || response.statusText), { status: response.status });
  return body;
}

function size(kibibytes) {
  if (kibibytes === null || kibibytes === undefined) return "unknown";
  if (kibibytes < 1024) return `${number.format(kibibytes)} KiB`;
  if (kibibytes < 1024 * 1024) return `${(kibibytes / 1024).toFixed(1)} MiB`;
  return `${(kibibytes / 1024 / 1024).toFixed(2)} GiB`;
}

// The state of the list lives in the address: #/?search=ssl&section=libs&order=-installed_size&page=2
function readAddress() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  return { path: path || "/", parameters: Object.fromEntries(new URLSearchParams(query || "")) };
}

function listAddress(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return "#/" + (query.size ? "?" + query : "");
}

function packageAddress(name, architecture) {
  return `#/package/${encodeURIComponent(name)}` + (architecture ? `?architecture=${encodeURIComponent(architecture)}` : "");
}

function marked(text, wanted) {
  const at = wanted ? text.toLowerCase().indexOf(wanted.toLowerCase()) : -1;
  if (at < 0) return [text];
  return [text.slice(0, at), element("mark", {}, text.slice(at, at + wanted.length)), text.slice(at + wanted.length)];
}

function packageRow(item, search) {
  return element("li", {},
    element("a", { class: "row", href: packageAddress(item.name, item.architecture) },
      element("span", { class: "name" }, ...marked(item.name, search), element("span", { class: "version" }, item.version)),
      element("span", { class: "summary" }, ...marked(item.summary, search)),
      element("span", { class: "meta" }, `${item.section.name} · ${size(item.installed_size)} · ${item.architecture}`)));
}

const orders = [["name", "Name"], ["-installed_size", "Largest first"], ["installed_size", "Smallest first"],
  ["section", "Section"], ["maintainer", "Maintainer"]];

function orderMenu(parameters) {
  const select = element("select", { "aria-label": "Order" },
    ...orders.map(([value, text]) => element("option", { value }, text)));
  select.value = parameters.order || "name";
  select.addEventListener("change", () => {
    location.hash = listAddress({ ...parameters, order: select.value === "name" ? "" : select.value, page: "" });
  });
  return element("label", {}, "Order", select);
}

function chip(name, parameters) {
  if (!parameters[name]) return null;
  return element("a", { class: "chip", href: listAddress({ ...parameters, [name]: "", page: "" }), title: "Remove this filter" },
    `${name}: ${parameters[name]}`, " ✕");
}

function pager(result, parameters) {
  if (result.pages <= 1) return null;
  const step = (page, text) => page >= 1 && page <= result.pages
    ? element("a", { href: listAddress({ ...parameters, page: page > 1 ? page : "" }) }, text)
    : element("span", { class: "off" }, text);
  return element("nav", { class: "pager", "aria-label": "Pages" }, step(result.page - 1, "‹ Previous"),
    `${number.format(result.page)} of ${number.format(result.pages)}`, step(result.page + 1, "Next ›"));
}

async function drawList(parameters) {
  const result = await get("/api/packages", parameters);
  document.title = parameters.search ? `${parameters.search} – Packages` : "Packages";
  const tools = element("div", { class: "tools" },
    element("span", {}, element("strong", {}, number.format(result.count)), result.count === 1 ? " package" : " packages"),
    chip("section", parameters), chip("maintainer", parameters), orderMenu(parameters));
  if (result.count === 0)
    return [tools, element("p", { class: "message" }, "No package matches. Try fewer letters, or another section.")];
  return [tools, element("ul", { class: "list" }, ...result.results.map((item) => packageRow(item, parameters.search))),
    pager(result, parameters)];
}

function fact(name, value) {
  return value ? element("div", {}, element("dt", {}, name), element("dd", {}, value)) : null;
}

function dependencyGroup(alternatives) {
  const parts = alternatives.flatMap((item, index) => [
    index > 0 ? element("span", { class: "or" }, "or") : null,
    element("a", { href: packageAddress(item.name) }, item.name + (item.architecture ? ":" + item.architecture : "")),
    item.relation ? element("code", {}, `${item.relation} ${item.version}`) : null]);
  return element("span", { class: "dep" }, ...parts.filter(Boolean));
}

const kindOrder = ["pre-depends", "depends", "recommends", "suggests", "enhances", "provides", "breaks", "conflicts", "replaces"];

function dependencyList(dependencies) {
  const kinds = new Map();
  const rank = (item) => kindOrder.indexOf(item.kind);
  for (const item of [...dependencies].sort((a, b) => rank(a) - rank(b))) {
    if (!kinds.has(item.kind)) kinds.set(item.kind, new Map());
    const groups = kinds.get(item.kind);
    groups.set(item.position, [...(groups.get(item.position) || []), item]);
  }
  return element("dl", { class: "relations" }, ...[...kinds].flatMap(([kind, groups]) =>
    [element("dt", {}, kind), element("dd", {}, ...[...groups.values()].map(dependencyGroup))]));
}

function reverseList(items) {
  const kinds = new Map();
  for (const item of items) kinds.set(item.kind, [...(kinds.get(item.kind) || []), item]);
  return element("dl", { class: "relations" }, ...[...kinds].flatMap(([kind, users]) =>
    [element("dt", {}, kind), element("dd", {}, ...users.map((item) => element("span", { class: "dep" },
      element("a", { href: packageAddress(item.package, item.architecture) }, item.package),
      item.relation ? element("code", {}, `${item.relation} ${item.version}`) : "")))]));
}

// Descriptions are folded: every line begins with a space, a lone point separates paragraphs, and lines that are
// indented further stay as they are.
function description(text) {
  const blocks = [];
  let last = null;
  for (const line of text.split("\n").map((folded) => folded.replace(/^ /, ""))) {
    const tag = /^\s/.test(line) || /^[*-] /.test(line) ? "pre" : "p";
    if (line === "." || line === "") last = null;
    else if (last && last.tag === tag) last.lines.push(line);
    else blocks.push(last = { tag, lines: [line] });
  }
  return element("div", { class: "description" },
    ...blocks.map(({ tag, lines }) => element(tag, {}, lines.join(tag === "p" ? " " : "\n"))));
}

function homepage(address) {
  return /^https?:\/\//.test(address || "") ? element("a", { href: address, rel: "noreferrer" }, address.replace(/^https?:\/\//, "")) : address;
}

async function drawPackage(name, parameters) {
  const { package: item, dependencies, reverse_dependencies: users, reverse_dependency_count: count } =
    await get(`/api/packages/${encodeURIComponent(name)}`, parameters);
  document.title = `${item.name} – Packages`;
  const shown = users.length < count ? `the first ${number.format(users.length)} of ${number.format(count)}` : number.format(count);
  return [element("a", { class: "back", href: listAddress(lastList) }, "‹ Back to the list"),
    element("article", { class: "card" },
      element("h1", {}, item.name,
        element("span", { class: item.status === "installed" ? "badge" : "badge other" }, item.status)),
      element("p", { class: "lead" }, item.summary),
      element("dl", { class: "facts" }, fact("Version", item.version), fact("Architecture", item.architecture),
        fact("Installed size", size(item.installed_size)),
        fact("Section", element("a", { href: listAddress({ section: item.section.name }) }, item.section.name)),
        fact("Priority", item.priority), fact("Source", item.source),
        fact("Maintainer", element("a", { href: listAddress({ maintainer: item.maintainer.name }) }, item.maintainer.name)),
        fact("Homepage", homepage(item.homepage))),
      item.description ? description(item.description) : null,
      element("h2", {}, "Relations ", element("small", {}, number.format(dependencies.length))),
      dependencies.length ? dependencyList(dependencies) : element("p", {}, "None."),
      element("h2", {}, "Referred to by ", element("small", {}, shown)),
      users.length ? reverseList(users) : element("p", {}, "No package refers to it."))];
}

let lastList = {};
let drawing = 0;

async function draw() {
  const turn = ++drawing;
  const { path, parameters } = readAddress();
  const detail = path.match(/^\/package\/(.+)$/);
  if (!detail) {
    lastList = parameters;
    if (document.activeElement !== searchBox) searchBox.value = parameters.search || "";
  }
  for (const link of document.querySelectorAll("#sections a"))
    link.toggleAttribute("aria-current", link.dataset.section === (detail ? null : parameters.section || ""));
  view.classList.add("loading");
  let content;
  try {
    content = detail ? await drawPackage(decodeURIComponent(detail[1]), parameters) : await drawList(parameters);
  } catch (error) {
    content = error.status === 404
      ? [element("a", { class: "back", href: listAddress(lastList) }, "‹ Back to the list"),
        element("p", { class: "message" }, `Not on this machine: ${error.message}.`)]
      : [element("p", { class: "message bad" }, `This did not work: ${error.message}`)];
  }
  if (turn !== drawing) return; // a later address overtook this one
  view.replaceChildren(...content.filter(Boolean));
  view.classList.remove("loading");
  if (detail) window.scrollTo(0, 0);
}

async function drawStats() {
  const stats = await get("/api/stats");
  const entries = [["packages", stats.packages], ["sections", stats.sections], ["maintainers", stats.maintainers],
    ["dependencies", stats.dependencies]].map(([name, value]) => [name, number.format(value)]);
  document.getElementById("stats").replaceChildren(...[...entries, ["installed", size(stats.installed_size)]].map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

async function drawSections() {
  const sections = await get("/api/sections");
  const total = sections.reduce((sum, section) => sum + section.packages, 0);
  const link = (name, label, count) => element("a", { href: listAddress({ section: name }), "data-section": name },
    element("span", {}, label), element("span", {}, number.format(count)));
  document.getElementById("sections").replaceChildren(link("", "All", total),
    ...sections.map((section) => link(section.name, section.name, section.packages)));
}

let typing;
searchBox.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const { path, parameters } = readAddress();
    const kept = path === "/" ? parameters : lastList;
    location.hash = listAddress({ ...kept, search: searchBox.value.trim(), page: "" });
  }, 150);
});
document.getElementById("search-form").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== searchBox) {
    event.preventDefault();
    searchBox.focus();
  }
});
window.addEventListener("hashchange", draw);
drawStats().catch(() => {});
drawSections().catch(() => {}).finally(draw);
