// Search, filter and sort of the examples. The page reads without it; texts are moved, never made into markup.
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  document.addEventListener("DOMContentLoaded", function () {
    var list = document.getElementById("rows");
    if (!list) { return; }
    var field = function (name) { return document.getElementById("rows-" + name); };
    var examples = Array.prototype.slice.call(list.children);
    var texts = examples.map(function (example) { return example.textContent.toLowerCase(); });

    var shows = {
      all: function () { return true; },
      above: function (data) { return "above" in data; },
      suspicious: function (data) { return data.why === "suspicious"; },
      short: function (data) { return data.why === "short"; },
      sample: function (data) { return data.why === "sample"; }
    };
    var sorts = {
      suspicion: ["suspicion", -1],
      score: ["score", -1],
      few: ["count", 1],
      row: ["row", 1]
    };

    function key(example, name, direction) {
      var value = parseFloat(example.dataset[name]);
      return isNaN(value) ? Infinity : direction * value;
    }

    function update() {
      var words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      var show = shows[field("show").value];
      var shown = 0;
      examples.forEach(function (example, at) {
        var fits = show(example.dataset) && words.every(function (word) { return texts[at].indexOf(word) >= 0; });
        example.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      field("count").textContent = shown + " of " + examples.length + " rows";
    }

    function sort() {
      var by = sorts[field("sort").value];
      examples
        .map(function (example, at) { return [key(example, by[0], by[1]), at, example]; })
        .sort(function (a, b) { return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1]; })
        .forEach(function (entry) { list.appendChild(entry[2]); });
    }

    field("search").addEventListener("input", update);
    field("show").addEventListener("change", update);
    field("sort").addEventListener("change", sort);
    field("controls").addEventListener("submit", function (event) { event.preventDefault(); });
    field("open").addEventListener("click", function () {
      var opens = field("open").getAttribute("aria-pressed") !== "true";
      examples.forEach(function (example) { example.open = opens; });
      field("open").setAttribute("aria-pressed", String(opens));
    });
    sort();
    update();
  });
})();
