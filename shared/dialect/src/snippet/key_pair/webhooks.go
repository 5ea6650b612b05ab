package webhooks

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const toleranceSeconds = 300

// Verify reports whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. The body is the raw one, as
// io.ReadAll(request.Body) gives it; publicKey is the webhook's public_key, whpk_….
func Verify(headers http.Header, body []byte, publicKey string) bool {
	id := headers.Get("webhook-id")
	timestamp := headers.Get("webhook-timestamp")
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if age := time.Now().Unix() - sent; err != nil || age > toleranceSeconds || age < -toleranceSeconds {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(publicKey, "whpk_"))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	signed := append([]byte(id+"."+timestamp+"."), body...)
	for _, given := range strings.Split(headers.Get("webhook-signature"), " ") {
		encoded, isPair := strings.CutPrefix(given, "v1a,")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if isPair && err == nil && ed25519.Verify(key, signed, signature) {
			return true
		}
	}
	return false
}
