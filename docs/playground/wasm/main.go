//go:build js && wasm

// Wasm is the playground's program for the browser. It hands the page's worker
// two functions, which take and return JSON, and waits for calls.
package main

import (
	"encoding/json"
	"syscall/js"

	"shunt/docs/playground"
)

func main() {
	session := &playground.Session{}
	js.Global().Set("shuntAnswer", js.FuncOf(func(_ js.Value, args []js.Value) any {
		var r playground.Request
		if err := json.Unmarshal([]byte(args[0].String()), &r); err != nil {
			return text(playground.Answer{Wrong: err.Error()})
		}
		return text(session.Answer(&r))
	}))
	js.Global().Set("shuntApply", js.FuncOf(func(_ js.Value, args []js.Value) any {
		var r struct {
			playground.Request
			Edit playground.Edit `json:"edit"`
		}
		var done struct {
			Manifest string `json:"manifest"`
			Wrong    string `json:"wrong,omitempty"`
		}
		err := json.Unmarshal([]byte(args[0].String()), &r)
		if err == nil {
			done.Manifest, err = session.Apply(&r.Request, &r.Edit)
		}
		if err != nil {
			done.Wrong = err.Error()
		}
		return text(done)
	}))
	js.Global().Get("shuntReady").Invoke()
	select {}
}

// text returns a value as JSON. The types here all have a form in it.
func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
