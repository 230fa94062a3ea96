// An alert from Go: go run send.go. 503 and a broken connection may be tried again: the id makes that safe.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func sendAlert(url, token string, alert map[string]any) error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	alert["id"] = fmt.Sprintf("%x", id)
	body, err := json.Marshal(alert)
	if err != nil {
		return err
	}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		request, err := http.NewRequest("POST", url+"/alerts", bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		if err == nil && answer.StatusCode != http.StatusServiceUnavailable {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", answer.Status, text)
			}
			return nil
		}
		if err == nil {
			answer.Body.Close()
		}
		time.Sleep(wait)
	}
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

func main() {
	err := sendAlert(os.Getenv("MTB_URL"), os.Getenv("MTB_TOKEN"),
		map[string]any{"app": "shop", "title": "checkout fails", "severity": "critical"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
