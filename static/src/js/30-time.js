// Times stay fresh, and their titles speak local time.
"use strict";
const reader = document.documentElement.dataset;
// In the language and time zone of the account, else of the browser.
const written = (options) => new Intl.DateTimeFormat(reader.locale, { timeZone: reader.timeZone, ...options });
const local = written({ dateStyle: "medium", timeStyle: "medium" });

function ago(then, now) {
  const s = (now - then) / 1000;
  if (s > -1 && s < 5) return tell("just now");
  const n = s > -60 ? Math.abs(s) : -s + (s > -3570 ? 30 : s > -171000 ? 1800 : 43200); // what is still to come is rounded: a day, not 23 h
  const [unit, size] = n < 60 ? [tell("{n} s"), 1] : n < 3600 ? [tell("{n} min"), 60] : n < 172800 ? [tell("{n} h"), 3600] : [tell("{n} d"), 86400];
  const time = unit.replace("{n}", Math.floor(n / size));
  return s < 0 ? tell("in {time}", { time }) : tell("{time} ago", { time });
}

function refreshTimes(root) {
  const now = Date.now();
  root.querySelectorAll("time[data-ago]").forEach((el) => {
    const then = new Date(el.dateTime);
    const text = ago(then, now);
    if (el.textContent !== text) el.textContent = text;
    const title = local.format(then);
    if (el.title !== title) el.title = title;
  });
}

onReady(refreshTimes);
setInterval(() => document.hidden || refreshTimes(document), 15000);
