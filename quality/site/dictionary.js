// Shows the rows of the dictionary that hold all words of the search, and the tables that have any.
"use strict";
(() => {
  const search = document.getElementById("dictionary-search");
  const count = document.getElementById("dictionary-count");
  const tables = [...document.querySelectorAll("section.dictionary")].map((section) => ({
    section,
    name: section.querySelector("h2").textContent.toLowerCase(),
    rows: [...section.querySelectorAll("tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
  }));
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { section, name, rows } of tables) {
      let any = false;
      for (const { row, text } of rows) {
        row.hidden = !words.every((word) => text.includes(word) || name.includes(word));
        any = any || !row.hidden;
        found += row.hidden ? 0 : 1;
      }
      section.hidden = !any;
    }
    count.textContent = words.length ? String(found) : "";
  };
  search.addEventListener("input", filter);
  filter();
})();
