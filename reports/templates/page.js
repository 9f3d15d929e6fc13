(function () {
  "use strict";

  // --- sorting: a click on a heading, or an address that ends in #sort=NAME or #sort=NAME:descending ---
  var table = document.querySelector("table[data-sortable]");

  function valueOf(row, index) {
    var cell = row.cells[index];
    return cell && cell.hasAttribute("data-value") ? cell.getAttribute("data-value") : "";
  }

  function compare(a, b) {
    var x = Number(a), y = Number(b);
    return isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
  }

  function sortBy(button, descending) {
    var heading = button.closest("th"), index = heading.cellIndex, body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    var isRanked = function (row) { return row.classList.contains("ranked"); };
    var sign = descending ? -1 : 1;
    rows.sort(function (a, b) {
      if (isRanked(a) !== isRanked(b)) { return isRanked(a) ? -1 : 1; }
      if (!isRanked(a)) { return 0; }
      var x = valueOf(a, index), y = valueOf(b, index);
      if (x === "" || y === "") { return (x === "") - (y === ""); }
      return sign * compare(x, y);
    });
    rows.forEach(function (row) { body.appendChild(row); });
    table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  function onClick(event) {
    var button = event.currentTarget;
    var descending = button.closest("th").getAttribute("aria-sort") === "ascending";
    sortBy(button, descending);
    history.replaceState(null, "", "#sort=" + button.dataset.sort + (descending ? ":descending" : ""));
  }

  function follow() {
    var hash = decodeURIComponent(location.hash.slice(1));
    if (table && hash.indexOf("sort=") === 0) {
      var asked = hash.slice(5).split(":");
      table.querySelectorAll("button[data-sort]").forEach(function (button) {
        if (button.dataset.sort === asked[0]) { sortBy(button, asked[1] === "descending"); }
      });
      return;
    }
    var target = hash && document.getElementById(hash);
    if (target && target.tagName === "DETAILS") { target.open = true; }
  }

  if (table) {
    table.querySelectorAll("button[data-sort]").forEach(function (button) {
      button.addEventListener("click", onClick);
    });
  }
  window.addEventListener("hashchange", follow);
  follow();

  // --- paper cannot be unfolded ---
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (one) { one.open = false; });
  });
})();
