// What changes in lists is said, too: how many rows are selected, and what a filter leaves.
"use strict";
// How many rows are selected stands beside what is done with them.
function countSelected() {
  document.querySelectorAll("[data-selected]").forEach((el) => {
    const n = el.closest(".selection").querySelectorAll("input:checked").length;
    const text = n ? tell("{n} selected", { n: n.toLocaleString(reader.locale) }) : "";
    if (el.textContent !== text) el.textContent = text;
  });
}
document.addEventListener("change", (e) => e.target.closest?.(".selection") && countSelected());
onReady(countSelected);

// Who filters a list hears what is left of it; nobody else is told of its changes.
document.addEventListener("htmx:after:swap", () => document.querySelectorAll("[data-tells]").forEach((el) => {
  const list = document.getElementById(el.dataset.tells);
  if (!list || !el.closest("form").contains(document.activeElement)) return;
  const n = list.querySelectorAll("tbody > tr, .item:not(.item-add)").length;
  el.textContent = n ? tell("{n} listed", { n: n.toLocaleString(reader.locale) }) : list.querySelector(".empty p")?.textContent || "";
}));
