/*
 * Keeps the page of GET / up to date: when the daemon says that something changed, the page is asked
 * for again, and what it shows is replaced. While somebody has a form in hand it waits.
 */
"use strict";
(function () {
	var loading = false, wanted = false;

	function inHand() {
		var main = document.querySelector("main");
		return main.querySelector("details[open]") ||
			(main.contains(document.activeElement) && document.activeElement.tagName === "SELECT");
	}

	function load() {
		if (loading || inHand()) {
			wanted = true;
			return;
		}
		loading = true;
		wanted = false;
		fetch("./", { cache: "no-store" }).then(function (answer) {
			if (!answer.ok)
				throw new Error(answer.status);
			return answer.text();
		}).then(function (text) {
			var fresh = new DOMParser().parseFromString(text, "text/html");
			var said = document.querySelector(".said");
			if (!inHand() && fresh.querySelector("main")) {
				var focused = document.activeElement.id;
				document.title = fresh.title;
				document.querySelector("main").replaceWith(fresh.querySelector("main"));
				focused = focused && document.getElementById(focused);
				if (focused)
					focused.focus({ preventScroll: true });
				if (said)
					document.querySelector(".state").after(said);
			} else {
				wanted = true;
			}
			mark("live");
		}).catch(function () {
			mark("the daemon does not answer; this is what it said last");
		}).then(function () {
			loading = false;
		});
	}

	function mark(text) {
		var place = document.getElementById("live");
		if (place)
			place.textContent = text;
	}

	function listen() {
		var events = new EventSource("events");
		events.onopen = function () { mark("live"); };
		events.onmessage = load;
		events.onerror = function () {
			mark("reconnecting");
			if (events.readyState === EventSource.CLOSED)
				setTimeout(listen, 30000);
		};
	}

	/* times go on although nothing happens */
	setInterval(load, 30000);
	setInterval(function () { if (wanted) load(); }, 2000);
	listen();
})();
