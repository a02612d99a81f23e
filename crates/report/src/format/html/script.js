"use strict";
(function () {
  var table = document.getElementById("findings");
  if (!table) return;
  var body = table.tBodies[0];
  var rows = Array.prototype.slice.call(body.rows);
  var search = document.getElementById("search");
  var boxes = Array.prototype.slice.call(document.querySelectorAll("input[data-severity]"));
  var only = document.getElementById("fixable");
  var shown = document.getElementById("shown");
  document.getElementById("controls").hidden = false;
  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var allowed = {};
    boxes.forEach(function (box) { allowed[box.dataset.severity] = box.checked; });
    var count = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      var ok = allowed[row.dataset.severity] !== false &&
        (!only.checked || row.dataset.fixable === "1") &&
        words.every(function (word) { return text.indexOf(word) >= 0; });
      row.hidden = !ok;
      if (ok) count += 1;
    });
    shown.textContent = count + " of " + rows.length + " shown";
  }
  [search].concat(boxes, [only]).forEach(function (control) { control.addEventListener("input", filter); });
  Array.prototype.slice.call(table.tHead.rows[0].cells).forEach(function (cell, index) {
    var button = cell.querySelector("button");
    if (!button) return;
    button.addEventListener("click", function () {
      var down = cell.getAttribute("aria-sort") !== "descending";
      Array.prototype.slice.call(table.tHead.rows[0].cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      function key(row) {
        var value = row.cells[index].dataset.key;
        return value === undefined ? row.cells[index].textContent.trim() : Number(value);
      }
      rows.sort(function (a, b) {
        var x = key(a), y = key(b);
        var order = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
        return down ? -order : order;
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
  filter();
})();
