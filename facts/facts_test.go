package facts

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"shunt/netns/netnstest"
	"shunt/pods"
)

func TestMain(m *testing.M) { netnstest.Main(m) } // root, at least in a user namespace

func TestMessagesAreAsDocumented(t *testing.T) {
	t.Parallel()
	id := pods.ID{Namespace: "shop", Name: "web-0", UID: "1-2"}
	data, err := encodeRequest(id)
	if want := `{"v":1,"op":"pod","ns":"shop","name":"web-0","uid":"1-2"}`; err != nil || string(data) != want {
		t.Errorf("a request: %s (%v)", data, err)
	}
	if got, err := decodeRequest(data); err != nil || got != id {
		t.Errorf("decoded: %+v (%v)", got, err)
	}
	for _, tt := range []struct {
		facts pods.Facts
		why   Unknown
		want  string
	}{
		{pods.Facts{}, NotFound, `{"v":1,"known":false,"reason":"notfound"}`},
		{pods.Facts{UID: "x"}, OtherUID, `{"v":1,"known":false,"reason":"uid"}`},
		{pods.Facts{UID: "1", Annotations: map[string]string{"a": "b"}, Labels: map[string]string{}, Namespace: map[string]string{}, Containers: []string{"app"}}, "",
			`{"v":1,"known":true,"uid":"1","annotations":{"a":"b"},"labels":{},"namespaceAnnotations":{},"containers":["app"]}`},
		{pods.Facts{Annotations: map[string]string{"a": strings.Repeat("x", MaxAnswer)}}, "", `{"v":1,"known":false,"reason":"toobig"}`},
	} {
		data, _, err := encodeAnswer(tt.facts, tt.why)
		if err != nil || string(data) != tt.want {
			t.Errorf("an answer: %s (%v)\nwant       %s", data, err, tt.want)
		}
		f, err := decodeAnswer(data)
		if why, _ := errors.AsType[Unknown](err); strings.Contains(tt.want, "reason") != (err != nil) || err != nil && !strings.Contains(tt.want, string(why)) {
			t.Errorf("%s: decoded %v", data, err)
		} else if err == nil && !reflect.DeepEqual(f, tt.facts) {
			t.Errorf("%s: decoded %+v", data, f)
		}
	}
}

func TestMessagesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "null", "[]", `{"v":2,"op":"pod","ns":"a","name":"b"}`, `{"v":1,"op":"delete","ns":"a","name":"b"}`,
		`{"v":1,"op":"pod","name":"b"}`, `{"v":1,"op":"pod","ns":"a"}`, `{"v":1,"op":"pod","ns":7,"name":"b"}`} {
		if id, err := decodeRequest([]byte(text)); err == nil {
			t.Errorf("request %s: %+v", text, id)
		}
	}
	for _, text := range []string{"", "{", "null", `{"v":2,"known":true}`, `{"known":true}`, `{"v":1}`, `{"v":1,"known":false}`, `{"v":1,"known":true,"annotations":[]}`} {
		f, err := decodeAnswer([]byte(text))
		if _, unknown := errors.AsType[Unknown](err); err == nil || unknown {
			t.Errorf("answer %s: %+v, %v", text, f, err)
		}
	}
}

// Whatever comes, a request that is understood is one that could have been sent.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"v":1,"op":"pod","ns":"shop","name":"web-0","uid":"1-2"}`))
	f.Add([]byte(`{"v":1,"op":"pod","ns":"\ud800","name":"\u0000"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := decodeRequest(data)
		if err != nil {
			return
		}
		again, err := encodeRequest(id)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeRequest(again); err != nil || back != id {
			t.Errorf("%+v became %s, and that %+v (%v)", id, again, back, err)
		}
	})
}

// Whatever comes, an answer says either facts or a reason, and the same again.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"v":1,"known":true,"uid":"1","annotations":{"linkerd.io/proxy-version":"edge"},"labels":{},"containers":["app"],"initContainers":["linkerd-init"]}`))
	f.Add([]byte(`{"v":1,"known":false,"reason":"unsynced"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := decodeAnswer(data)
		why, unknown := errors.AsType[Unknown](err)
		if err != nil && !unknown {
			return
		}
		if err != nil && (why == "" || !reflect.DeepEqual(facts, pods.Facts{})) {
			t.Errorf("%s: %+v and %q", data, facts, why)
		}
		again, now, err := encodeAnswer(facts, why)
		if err != nil || now == TooBig && why != TooBig {
			return // longer than it came, by escapes
		}
		back, err := decodeAnswer(again)
		if was, _ := errors.AsType[Unknown](err); was != why {
			t.Errorf("%s became %s: %v", data, again, err)
		}
		before, _ := json.Marshal(facts)
		after, _ := json.Marshal(back)
		if string(before) != string(after) {
			t.Errorf("%s became %s", before, after)
		}
	})
}
