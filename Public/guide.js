// The guide's search: every heading of every page, fetched when somebody begins to type.

import { element } from "./dom.js";

const words = document.getElementById("words");
const found = document.getElementById("found");
let headings = null;

/** Headings of all pages in the order of the navigation, with the text below each. */
async function load() {
  const links = [...document.querySelectorAll(".guide nav a")];
  const pages = await Promise.all(links.map(async (link) => {
    const text = await (await fetch(link.getAttribute("href"))).text();
    const page = new DOMParser().parseFromString(text, "text/html");
    return [...page.querySelectorAll("main h1, main h2, main h3")].map((heading) => ({
      title: heading.textContent, page: link.textContent,
      address: link.getAttribute("href") + (heading.id ? `#${heading.id}` : ""), below: below(heading),
    }));
  }));
  return pages.flat();
}

function below(heading) {
  let text = "";
  for (let node = heading.nextElementSibling; node && !/^H[123]$/.test(node.tagName); node = node.nextElementSibling) {
    text += ` ${node.textContent}`;
  }
  return text.toLowerCase();
}

/** Titles before texts; every word must be there. */
function search(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  const inTitle = (item) => wanted.every((word) => item.title.toLowerCase().includes(word));
  const inText = (item) => wanted.every((word) => (item.title.toLowerCase() + item.below).includes(word));
  return [...headings.filter(inTitle), ...headings.filter((item) => !inTitle(item) && inText(item))].slice(0, 12);
}

function show() {
  const items = search(words.value);
  const nothing = words.value.trim() === "" ? [] : [element("li", { class: "soft" }, "Nothing is called that.")];
  found.replaceChildren(...(items.length === 0 ? nothing : items.map((item) => element("li", {},
    element("a", { href: item.address }, item.title), element("small", {}, item.page)))));
  found.hidden = found.children.length === 0;
}

words.addEventListener("input", async () => {
  headings ??= await load();
  show();
});
words.form.addEventListener("submit", (event) => {
  event.preventDefault();
  found.querySelector("a")?.click();
});
