package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// object is a JSON object whose members keep their order and their bytes.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

// parseObject splits a JSON object into its members.
func parseObject(data []byte) (object, error) {
	var o object
	err := eachMember(data, func(dec *json.Decoder, key string) error {
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		o = append(o, member{key, value})
		return nil
	})
	return o, err
}

// eachMember calls f for each member of the object, with the decoder in front
// of the member's value, which f has to take.
func eachMember(data []byte, f func(dec *json.Decoder, key string) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if err := f(dec, key.(string)); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more data after the JSON object")
	}
	return nil
}

// get returns the value of a key, nil for none. As in libcni, the last of
// several members of one name counts.
func (o object) get(key string) json.RawMessage {
	for _, m := range slices.Backward(o) {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// set returns the object with this value for the key, in its old place if the
// object has the key.
func (o object) set(key string, value json.RawMessage) object {
	i := slices.IndexFunc(o, func(m member) bool { return m.key == key })
	if i < 0 {
		return append(o, member{key, value})
	}
	o = append(o[:i+1], o[i+1:].without(key)...)
	o[i].value = value
	return o
}

// without returns the object without these keys.
func (o object) without(keys ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(keys, m.key) })
}

// encode returns the object without white space.
func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(m.key) // a string can be encoded
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	var out bytes.Buffer
	if err := json.Compact(&out, b.Bytes()); err != nil {
		return b.Bytes() // not JSON: what was put in was not
	}
	return out.Bytes()
}

// text returns a member that is a string, else "".
func (o object) text(key string) string {
	var s string
	_ = json.Unmarshal(o.get(key), &s) // not a string: ""
	return s
}

// sameJSON reports whether two JSON texts mean the same: white space and the
// order of keys do not count, and numbers keep all their digits.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := decodeAny(a)
	y, errY := decodeAny(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func decodeAny(data []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// mustJSON encodes what can always be encoded: strings, booleans and lists.
func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return data
}
