// A drawn workflow that is larger than its box shows what matters first: the step that is worked on or being edited, else the beginning.
"use strict";
for (const box of document.querySelectorAll(".flow")) {
  const node = box.querySelector(".flow-current, .flow-info") || box.querySelector(".flow-node");
  if (!node) continue;
  const outer = box.getBoundingClientRect(), inner = node.getBoundingClientRect();
  box.scrollLeft += inner.x + inner.width / 2 - outer.x - outer.width / 2;
  box.scrollTop += inner.bottom + 24 > outer.bottom ? inner.y + inner.height / 2 - outer.y - outer.height / 2 : 0;
}
