"""A headless Chromium, spoken to over its debugging pipe: for what a person sees, and can do, on a page."""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile


class Browser:
    """One page. A size in CSS pixels, "light" or "dark", and whether scripts run."""

    def __init__(self, credentials=None):
        self.profile = tempfile.mkdtemp(prefix="mtb-browser-")
        read_in, self.write_in = os.pipe()  # what the browser reads
        self.read_out, write_out = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (read_in, write_out)]
        os.close(read_in)
        os.close(write_out)

        def place():  # it reads from descriptor 3 and writes to descriptor 4
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [os.environ.get("CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for fd in high:
            os.close(fd)
        self.number, self.left, self.session, self.events = 0, b"", None, []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.credentials = credentials
        if credentials:
            self.call("Fetch.enable", handleAuthRequests=True)

    def message(self):
        while b"\0" not in self.left:
            more = os.read(self.read_out, 65536)
            if not more:
                raise ConnectionError("the browser ended")
            self.left += more
        line, self.left = self.left.split(b"\0", 1)
        return json.loads(line)

    def send(self, method, **params):
        self.number += 1
        call = {"id": self.number, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        os.write(self.write_in, json.dumps(call).encode() + b"\0")
        return self.number

    def take(self, message):
        """An event: answers what must be answered, keeps the rest."""
        params = message.get("params", {})
        if message.get("method") == "Fetch.authRequired":
            user, password = self.credentials
            self.send("Fetch.continueWithAuth", requestId=params["requestId"], authChallengeResponse={
                "response": "ProvideCredentials", "username": user, "password": password})
        elif message.get("method") == "Fetch.requestPaused":
            self.send("Fetch.continueRequest", requestId=params["requestId"])
        elif "method" in message:
            self.events.append(message)

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = self.message()
            if message.get("id") == number:
                if "error" in message:
                    raise ValueError(f"{method}: {message['error']}")
                return message["result"]
            self.take(message)

    def wait(self, method):
        """The next event of that name; those before it are dropped."""
        while True:
            while self.events:
                if self.events.pop(0)["method"] == method:
                    return
            self.take(self.message())

    def look(self, width=1280, height=800, scheme="light", script=True):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def run(self, script):
        """The value of an expression; of a promise, what it comes to."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise ValueError(result["exceptionDetails"])
        return result["result"].get("value")

    def click(self, selector):
        """As a finger does, and waits for the page that follows."""
        self.events.clear()
        self.run(f"document.querySelector({selector!r}).click()")
        self.wait("Page.loadEventFired")

    def picture(self, path, whole=False):
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.write_in)
        os.close(self.read_out)
        shutil.rmtree(self.profile, ignore_errors=True)
