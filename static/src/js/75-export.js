// A list that is exported says how far it is; the link alone downloads it as well.
"use strict";
document.addEventListener("click", async (e) => {
  const link = e.target.closest && e.target.closest("a[data-export]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  e.preventDefault();
  if (link.getAttribute("aria-disabled") === "true") return;
  const label = link.querySelector("span");
  const words = label.textContent;
  link.setAttribute("aria-disabled", "true");
  try {
    await fetchExport(link, (rows) => (label.textContent = tell("{n} rows…", { n: rows.toLocaleString(reader.locale) })));
  } catch {
    toast("bad", tell("The export broke off. Try again, or narrow the list."));
  }
  link.removeAttribute("aria-disabled");
  label.textContent = words;
});

async function fetchExport(link, progress) {
  const answer = await fetch(link.href);
  if (!answer.ok || !(answer.headers.get("Content-Type") || "").startsWith("text/csv")) throw new Error(answer.status);
  const parts = [];
  let rows = -1; // the first line names the columns
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    for (const byte of value) if (byte === 10) rows++;
    progress(Math.max(rows, 0));
  }
  const save = document.createElement("a");
  save.href = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  save.download = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "")?.[1] || "export.csv";
  save.click();
  setTimeout(() => URL.revokeObjectURL(save.href), 60000);
  toast("ok", tell("Exported {n} lines", { n: Math.max(rows, 0).toLocaleString(reader.locale) }));
}
