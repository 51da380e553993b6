// The members of the overview: filtered, sorted and shown a page at a time from the rows embedded in it.
(function () {
  "use strict";
  var PAGE = 100;
  var data = JSON.parse(document.getElementById("data").textContent);
  var form = document.getElementById("filters");
  var body = document.querySelector("#member-table tbody");
  var pager = document.getElementById("pager");
  var sorted = { column: null, descending: false };
  var page = 0;

  var members = data.rows.map(function (row) {
    var member = {};
    data.columns.forEach(function (name, at) { member[name] = row[at]; });
    var history = member.history;
    member.change = history.length > 1 ? history[history.length - 1] - history[history.length - 2] : null;
    member.text = [
      member.member_code, member.name_zh, member.name_en, pair("centre", member.regional_centre || "").join(" "),
      pair("province", member.province).join(" "), pair("kind", member.kind).join(" ")
    ].join(" ").toLowerCase();
    return member;
  });

  function pair(group, code) { return (data.labels[group] || {})[code] || [code, code]; }
  function both(texts) { return window.site.both(texts[0], texts[1]); }
  function element(name, className, content) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (content !== undefined && content !== null) {
      made.appendChild(typeof content === "object" ? content : document.createTextNode(content));
    }
    return made;
  }

  // --- filters ---
  var STATES = {
    failing: ["采集或入库异常", "failing", function (m) { return m.failing_since; }],
    late: ["逾期未到", "late", function (m) { return m.late; }],
    fallen: ["评分明显下降", "score fell sharply", function (m) { return m.change !== null && m.change <= -5; }],
    poor: ["评分差", "poor score", function (m) { return grade(m.score) === "poor"; }],
    fair: ["评分中", "fair score", function (m) { return grade(m.score) === "fair"; }],
    good: ["评分优", "good score", function (m) { return grade(m.score) === "good"; }],
    none: ["尚未采集", "not harvested yet", function (m) { return m.verdict === "none"; }]
  };
  function grade(score) { return score === null ? "none" : score >= 95 ? "good" : score >= 85 ? "fair" : "poor"; }
  function counted(name) {
    var counts = {};
    members.forEach(function (member) { if (member[name]) { counts[member[name]] = (counts[member[name]] || 0) + 1; } });
    return counts;
  }
  function choices() {
    var provinces = counted("province"), centres = counted("regional_centre"), kinds = counted("kind");
    return {
      province: Object.keys(provinces).sort().map(function (code) { return [code, pair("province", code), provinces[code]]; }),
      centre: Object.keys(centres).sort(window.site.compare).map(function (name) { return [name, pair("centre", name), centres[name]]; }),
      kind: Object.keys(kinds).sort().map(function (code) { return [code, pair("kind", code), kinds[code]]; }),
      state: Object.keys(STATES).map(function (code) { return [code, STATES[code], members.filter(STATES[code][2]).length]; }),
      rule: data.rules.map(function (rule) { return [rule[0], [rule[1], rule[2]], rule[4]]; })
    };
  }
  // options can't hold two languages, so they are written anew when it changes
  function fillChoices() {
    var english = window.site.language() === "en";
    var all = choices();
    Object.keys(all).forEach(function (name) {
      var select = form.elements[name], value = select.value;
      select.textContent = "";
      select.appendChild(new Option(english ? "all" : "全部", ""));
      all[name].forEach(function (choice) {
        select.appendChild(new Option(choice[1][english ? 1 : 0] + " (" + choice[2] + ")", choice[0]));
      });
      select.value = value;
    });
  }
  function chosen() {
    var words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    var value = function (name) { return form.elements[name].value; };
    var rule = data.rules.findIndex(function (r) { return r[0] === value("rule"); });
    return members.filter(function (member) {
      return (!value("province") || member.province === value("province")) &&
        (!value("centre") || member.regional_centre === value("centre")) &&
        (!value("kind") || member.kind === value("kind")) &&
        (!value("state") || STATES[value("state")][2](member)) &&
        (rule < 0 || member.rules.indexOf(rule) >= 0) &&
        words.every(function (word) { return member.text.indexOf(word) >= 0; });
    });
  }

  // --- rows ---
  function when(text) {
    if (!text) { return "–"; }
    var at = new Date(new Date(text + "Z").getTime() + 8 * 3600 * 1000).toISOString();
    return at.slice(0, 10) + " " + at.slice(11, 16);
  }
  function spark(history) {
    var NS = "http://www.w3.org/2000/svg", width = 64, height = 18;
    var svg = document.createElementNS(NS, "svg");
    svg.setAttribute("class", "spark");
    svg.setAttribute("viewBox", "-2 -2 " + (width + 4) + " " + (height + 4));
    svg.setAttribute("aria-hidden", "true");
    var low = Math.min.apply(null, history), high = Math.max.apply(null, history), span = Math.max(high - low, 1);
    var line = document.createElementNS(NS, "polyline");
    line.setAttribute("points", history.map(function (value, at) {
      return (at * width / (history.length - 1)).toFixed(1) + "," + (height - (value - low) / span * height).toFixed(1);
    }).join(" "));
    svg.appendChild(line);
    return svg;
  }
  function trend(member) {
    var cell = element("td", "trend");
    if (member.change === null) { cell.appendChild(element("span", "none", "–")); return cell; }
    cell.appendChild(spark(member.history));
    var change = Math.round(member.change * 10) / 10;
    var sign = change > 0 ? "▲ " : change < 0 ? "▼ " : "＝ ";
    cell.appendChild(element("span", change < 0 ? "down" : change > 0 ? "up" : "none", sign + Math.abs(change).toFixed(1)));
    return cell;
  }
  function tag(kind, sign, texts) {
    var made = element("span", "tag " + kind, sign + " ");
    made.appendChild(both(texts));
    return made;
  }
  function n(value) { return element("td", "n", value.toLocaleString("en")); }
  function verdictTag(code) {
    var known = { complete: ["good", "✓"], unchanged: ["good", "✓"], partial: ["fair", "!"], held: ["fair", "!"], none: ["quiet", "–"] };
    var look = known[code] || ["poor", "✕"];
    return tag(look[0], look[1], pair("verdict", code));
  }
  function rowOf(member) {
    var row = document.createElement("tr");
    var head = element("th");
    head.scope = "row";
    var link = element("a", "", both([member.name_zh, member.name_en]));
    link.href = "members/" + encodeURIComponent(member.file) + ".html";
    head.appendChild(link);
    head.appendChild(document.createTextNode(" "));
    head.appendChild(element("code", "", member.member_code));
    var where = element("span", "sub", both(pair("province", member.province)));
    where.appendChild(document.createTextNode(" · "));
    where.appendChild(both(pair("kind", member.kind)));
    if (member.regional_centre) {
      where.appendChild(document.createTextNode(" · "));
      where.appendChild(both(pair("centre", member.regional_centre)));
    }
    head.appendChild(where);
    row.appendChild(head);
    var score = element("td");
    var code = grade(member.score);
    score.appendChild(tag(code, member.score === null ? "–" : member.score.toFixed(1), pair("grade", code)));
    row.appendChild(score);
    row.appendChild(trend(member));
    ["records", "rejected", "fails", "warns"].forEach(function (name) { row.appendChild(n(member[name])); });
    row.appendChild(element("td", "when", when(member.harvested_at)));
    var verdict = element("td", "", verdictTag(member.verdict));
    if (member.reason_en) { verdict.title = window.site.language() === "en" ? member.reason_en : member.reason_zh; }
    row.appendChild(verdict);
    row.appendChild(element("td", "when", when(member.failing_since)));
    window.site.nameCells(row, document.getElementById("member-table"));
    return row;
  }
  function sortKey(member) {
    if (sorted.column === "name") { return window.site.language() === "en" ? member.name_en : member.name_zh; }
    var value = member[sorted.column];
    return value === null ? -1e9 : value;
  }

  function show() {
    var found = chosen();
    if (sorted.column) {
      var keyed = found.map(function (member) { return { member: member, key: sortKey(member) }; });
      keyed.sort(function (a, b) { var order = window.site.compare(a.key, b.key); return sorted.descending ? -order : order; });
      found = keyed.map(function (item) { return item.member; });
    }
    var pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(page, pages - 1);
    var rows = document.createDocumentFragment();
    found.slice(page * PAGE, (page + 1) * PAGE).forEach(function (member) { rows.appendChild(rowOf(member)); });
    body.textContent = "";
    body.appendChild(rows);
    var told = document.getElementById("shown");
    told.textContent = "";
    told.appendChild(window.site.both(found.length + " / " + members.length + " 馆", found.length + " of " + members.length + " members"));
    turn(pages);
    document.querySelectorAll("[data-province]").forEach(function (tile) {
      tile.setAttribute("aria-pressed", String(form.elements.province.value === tile.dataset.province));
    });
    remember();
  }
  function turn(pages) {
    pager.textContent = "";
    pager.hidden = pages < 2;
    for (var at = 0; at < pages; at += 1) {
      var button = element("button", "", String(at + 1));
      button.type = "button";
      if (at === page) { button.setAttribute("aria-current", "page"); }
      button.addEventListener("click", function (to) {
        return function () { page = to; show(); document.getElementById("members").scrollIntoView(); };
      }(at));
      pager.appendChild(button);
    }
  }
  // the address keeps the filters, so that it can be sent to a colleague
  function remember() {
    var kept = new URLSearchParams();
    ["words", "province", "centre", "kind", "state", "rule"].forEach(function (name) {
      if (form.elements[name].value) { kept.set(name, form.elements[name].value); }
    });
    var query = kept.toString();
    try { history.replaceState(null, "", location.pathname + (query ? "?" + query : "") + location.hash); } catch (error) { /* not from a folder */ }
  }

  fillChoices();
  document.addEventListener("language", function () { fillChoices(); show(); });
  new URLSearchParams(location.search).forEach(function (value, name) {
    if (form.elements[name]) { form.elements[name].value = value; }
  });
  form.addEventListener("input", function () { page = 0; show(); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(function () { page = 0; show(); }, 0); });
  document.querySelectorAll("[data-province]").forEach(function (tile) {
    tile.addEventListener("click", function () {
      var select = form.elements.province;
      select.value = select.value === tile.dataset.province ? "" : tile.dataset.province;
      page = 0;
      show();
    });
  });
  document.querySelectorAll("[data-state]").forEach(function (link) {
    link.addEventListener("click", function (event) {
      event.preventDefault();
      form.reset();
      setTimeout(function () {
        form.elements.state.value = link.dataset.state;
        show();
        document.getElementById("members").scrollIntoView();
      }, 0);
    });
  });
  document.querySelectorAll("#member-table thead th").forEach(function (head) {
    window.site.sortButton(head, function (descending) {
      sorted = { column: head.dataset.column, descending: descending };
      page = 0;
      show();
    });
  });
  show();
})();
