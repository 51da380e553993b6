// The language switch, filters and sorting.  Without this file the pages show Chinese, whole and unsorted.
(function () {
  "use strict";
  var root = document.documentElement;

  function setLanguage(language) {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-Hans" : "en";
    document.querySelectorAll("[data-set-language]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.setLanguage === language));
    });
    // a browser may refuse storage to pages from a folder
    try { localStorage.setItem("language", language); } catch (error) { /* chosen anew on each page */ }
  }
  document.querySelectorAll("[data-set-language]").forEach(function (button) {
    button.addEventListener("click", function () { setLanguage(button.dataset.setLanguage); });
  });
  var chosen = new URLSearchParams(location.search).get("language");
  try { chosen = chosen || localStorage.getItem("language"); } catch (error) { /* as above */ }
  if (chosen === "en") { setLanguage("en"); }

  document.querySelectorAll("[data-filter]").forEach(function (input) {
    var table = document.getElementById(input.dataset.filter);
    var count = document.querySelector('[data-count="' + input.dataset.filter + '"]');
    var rows = Array.prototype.map.call(table.tBodies[0].rows, function (row) {
      return { row: row, text: row.textContent.toLowerCase() };
    });
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (item) {
        var fits = words.every(function (word) { return item.text.indexOf(word) >= 0; });
        item.row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = words.length ? shown + " / " + rows.length : "";
    });
  });

  function sortKey(cell) {
    var value = cell.dataset.value;
    if (value === undefined) { return cell.textContent; }
    return value !== "" && !isNaN(value) ? Number(value) : value;
  }
  document.querySelectorAll("table[data-sortable]").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, place) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var descending = head.getAttribute("aria-sort") === "ascending";
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        var keyed = Array.prototype.map.call(table.tBodies[0].rows, function (row) {
          return { row: row, key: sortKey(row.cells[place]) };
        });
        keyed.sort(function (a, b) {
          var order = typeof a.key === "number" && typeof b.key === "number"
            ? a.key - b.key : String(a.key).localeCompare(String(b.key), "zh");
          return descending ? -order : order;
        });
        keyed.forEach(function (item) { table.tBodies[0].appendChild(item.row); });
      });
    });
  });
})();
