// Google's in-memory Pub/Sub for tests, on a free port of loopback.
//
// It prints its address, then answers each line of its input with one of its output, and ends with its input:
//
//	messages    what became of each message, as JSON
//	wait 30     nothing, 30 seconds later: its clock is put forward
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"
)

type message struct {
	Data       []byte `json:"data"`
	Deliveries int    `json:"deliveries"`
	Acks       int    `json:"acks"`
	Modacks    []int  `json:"modacks"`
}

func main() {
	server := pstest.NewServerWithAddress("127.0.0.1:0")
	defer server.Close()
	fmt.Println(server.Addr)
	var ahead time.Duration
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		var seconds int
		if _, err := fmt.Sscanf(input.Text(), "wait %d", &seconds); err == nil {
			ahead += time.Duration(seconds) * time.Second
			by := ahead
			server.SetTimeNowFunc(func() time.Time { return time.Now().Add(by) })
			fmt.Println()
			continue
		}
		messages := []message{}
		for _, m := range server.Messages() {
			seen := message{Data: m.Data, Deliveries: m.Deliveries, Acks: m.Acks, Modacks: []int{}}
			for _, modack := range m.Modacks {
				seen.Modacks = append(seen.Modacks, int(modack.AckDeadline))
			}
			messages = append(messages, seen)
		}
		if err := json.NewEncoder(os.Stdout).Encode(messages); err != nil {
			panic(err)
		}
	}
}
