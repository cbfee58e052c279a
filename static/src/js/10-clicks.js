// One listener for all clicks: copy, reveal, dialogs, closing, rows.
"use strict";
document.addEventListener("click", (e) => {
  const at = (selector) => e.target.closest && e.target.closest(selector);
  let el;
  if ((el = at("[data-copy]"))) copy(el);
  else if ((el = at("[data-reveal]"))) reveal(el);
  else if ((el = at("[data-dialog]"))) ask(el, e);
  else if ((el = at("[data-close]"))) shut(el);
  else if ((el = at("[data-rows-add]"))) addRow(el.closest("[data-rows]"));
  else if ((el = at("[data-rows-remove]"))) removeRow(el);
  else if (e.target instanceof HTMLDialogElement) e.target.close();
});

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP on a network has no clipboard API; the old way still works there.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    button.focus({ preventScroll: true });
    if (!done) return toast("bad", tell("The browser did not allow copying."));
  }
  toast("ok", tell("Copied"));
}

function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  if (!input) return;
  const show = input.type === "password";
  input.type = show ? "text" : "password";
  button.setAttribute("aria-pressed", String(show));
}

// ask opens the question in a dialog; without one the link or form goes on as it is.
function ask(el, e) {
  const dialog = document.getElementById(el.dataset.dialog);
  if (!dialog || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  // A dialog inside a closing popover would vanish with it.
  const menu = el.closest("[popover]");
  if (menu) {
    document.body.append(dialog);
    menu.hidePopover();
  }
  dialog.showModal();
}

function shut(el) {
  const dialog = el.closest("dialog");
  if (dialog) return dialog.close();
  const note = el.closest("[data-toast]");
  if (note) drop(note);
}

// Rows of names and values.
function rowsOf(box) {
  return [...box.querySelectorAll("[data-row]")];
}

function addRow(box) {
  const row = rowsOf(box).at(-1).cloneNode(true);
  clearRow(row);
  box.querySelector(".kv-rows").append(row);
  number(box);
  row.querySelector("input").focus();
}

function removeRow(button) {
  const box = button.closest("[data-rows]");
  const row = button.closest("[data-row]");
  const next = row.nextElementSibling || row.previousElementSibling;
  if (next) row.remove();
  else clearRow(row);
  number(box);
  (next || row).querySelector("input").focus();
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

function clearRow(row) {
  row.querySelectorAll("input").forEach((i) => {
    i.value = "";
    i.removeAttribute("value");
    i.removeAttribute("aria-invalid");
    i.removeAttribute("aria-describedby");
  });
  row.querySelectorAll(".field-error").forEach((p) => p.remove());
}

function number(box) {
  rowsOf(box).forEach((row, n) =>
    row.querySelectorAll("[aria-label]").forEach((el) =>
      el.setAttribute("aria-label", el.getAttribute("aria-label").replace(/\d+$/, n + 1))));
}

// The spare rows are for those without scripts: keep one, and only if all is empty; and the one that somebody is in.
onReady((root) => root.querySelectorAll("[data-rows]").forEach((box) => {
  const empty = rowsOf(box).filter((r) => [...r.querySelectorAll("input")].every((i) => !i.value));
  const keep = empty.length === rowsOf(box).length ? 1 : 0;
  empty.slice(keep).forEach((r) => r.contains(document.activeElement) || r.remove());
}));

// What is chosen in a row that is wider than the screen, or in a menu that is longer, comes into view: once, since what the
// reader moves afterwards stays.
const shown = new WeakSet();
onReady((root) => root.querySelectorAll(".tabs, .segmented, .sidebar").forEach((box) => {
  const at = box.querySelector(":scope > [aria-current], :scope > :has(:checked), .nav-item[aria-current]");
  if (!at || !box.clientWidth || shown.has(box)) return;
  shown.add(box);
  const inner = at.getBoundingClientRect(), outer = box.getBoundingClientRect();
  if (box.scrollWidth > box.clientWidth) box.scrollLeft += inner.x + inner.width / 2 - outer.x - outer.width / 2;
  const foot = box.querySelector(":scope > .sidebar-foot"), end = foot ? foot.getBoundingClientRect().top : outer.bottom;
  if (inner.bottom > end) box.scrollTop += inner.bottom - end + 8;
}));

// The menu of a narrow window covers the page: it goes when focus goes there.
document.getElementById("nav")?.addEventListener("focusout", (e) => {
  const menu = e.currentTarget, to = e.relatedTarget;
  if (to && !menu.contains(to) && menu.matches(":popover-open")) setTimeout(() => menu.matches(":popover-open") && menu.hidePopover());
});
