// The contents beside a long page show where one is.
"use strict";
const contents = document.querySelector(".docs-toc");

if (contents && window.IntersectionObserver) {
  const links = new Map([...contents.querySelectorAll("a[href^='#']")].map((a) => [document.getElementById(a.hash.slice(1)), a]));
  const inView = new Set();
  const seen = new IntersectionObserver((entries) => {
    entries.forEach((e) => (e.isIntersecting ? inView.add(e.target) : inView.delete(e.target)));
    // Of a section and the calls in it, the call is where one is.
    const at = [...links.keys()].filter((el) => inView.has(el) && ![...inView].some((o) => o !== el && el.contains(o)))[0];
    contents.querySelectorAll("[aria-current=true]").forEach((a) => a.removeAttribute("aria-current"));
    const link = links.get(at);
    if (!link) return;
    link.setAttribute("aria-current", "true");
    const box = contents.getBoundingClientRect(), r = link.getBoundingClientRect();
    if (r.top < box.top || r.bottom > box.bottom) contents.scrollTop += r.top - box.top - box.height / 3;
  }, { rootMargin: "-12% 0px -70% 0px" });
  links.forEach((_, el) => el && seen.observe(el));
}
