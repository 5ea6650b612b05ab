// Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in
// base64; true or false for each.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"

	"receiver/webhooks"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var fields [][]byte
		for _, field := range strings.Split(lines.Text(), " ") {
			decoded, err := base64.StdEncoding.DecodeString(field)
			if err != nil {
				panic(err)
			}
			fields = append(fields, decoded)
		}
		headers := http.Header{}
		for i := 3; i < len(fields); i += 2 {
			headers.Set(string(fields[i]), string(fields[i+1]))
		}
		fmt.Println(webhooks.Verify(headers, fields[1], string(fields[0])))
	}
}
