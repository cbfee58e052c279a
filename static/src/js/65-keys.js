// Shortcuts. Those of single letters can be switched off (WCAG 2.1.4) and never
// work inside fields or dialogs; the server marks the links that g leads to.
"use strict";
let afterG = 0; // until when a letter belongs to g, in ms

// saving is the button that saves a form: attributes, since a field called "method" hides the property.
function saving(form) {
  if (!form || form.getAttribute("method") !== "post") return null;
  return [...form.elements].find((b) => b.matches(".btn-primary:not([type=button])")) || null;
}

// primary is the form that Ctrl-S saves: the one at hand, else the page's only one, else the guarded one.
function primary(at) {
  const own = at.closest?.("form");
  if (saving(own)) return own;
  if (document.querySelector("dialog[open]")) return null;
  const all = [...document.querySelectorAll("main form")].filter(saving);
  return all.length === 1 ? all[0] : all.find((f) => f.matches("[data-guard]")) || null;
}

// rowLinks are what j and k step through: the link that names each row or card.
function rowLinks() {
  return [...document.querySelectorAll("main .cell-main > a, main .item-title h2 a")].filter((a) => a.checkVisibility());
}

function step(by) {
  const links = rowLinks();
  const at = links.findIndex((a) => a.closest("tr, .item").contains(document.activeElement));
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by];
  if (!next) return;
  next.focus({ focusVisible: true, preventScroll: true });
  next.closest("tr, .item").scrollIntoView({ block: "nearest" });
}

function searchHere() {
  const field = [...document.querySelectorAll("main input[type=search]")].find((i) => i.checkVisibility());
  if (!field) return document.querySelector("[data-palette]")?.click();
  field.focus();
  field.select();
}

const letters = {
  "?": () => document.getElementById("shortcuts")?.showModal(),
  "/": searchHere,
  c: () => document.querySelector("main .page-actions a.btn-primary[href*='/new']")?.click(),
  j: () => step(1),
  k: () => step(-1),
};

function letter(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || document.body.dataset.keys === "off" || !palette) return;
  if (e.target.closest?.("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open], [popover]:popover-open:not(#toasts)")) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : "";
  const going = Date.now() < afterG;
  afterG = 0;
  if (going) {
    const link = document.querySelector("[data-go='" + CSS.escape(key) + "']");
    if (!link || !key) return;
    e.preventDefault();
    return link.click();
  }
  if (key === "g") afterG = Date.now() + 1500;
  else if (Object.hasOwn(letters, key)) {
    e.preventDefault();
    letters[key]();
  }
}

document.addEventListener("keydown", (e) => {
  if ((e.ctrlKey || e.metaKey) && !e.altKey && (e.key === "s" || e.key === "Enter")) {
    const form = primary(e.target);
    if (!form || e.defaultPrevented) return;
    e.preventDefault();
    if (!e.repeat) form.requestSubmit(saving(form));
  } else if (!e.defaultPrevented) letter(e);
});

// Within a chart, arrows go from bar to bar.
document.addEventListener("keydown", (e) => {
  const bar = e.target.closest?.(".chart-plot a"), by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[e.key];
  if (!bar || !by || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault();
  const bars = [...bar.parentElement.querySelectorAll("a")];
  bars[Math.max(0, Math.min(bars.length - 1, bars.indexOf(bar) + by))].focus();
});
