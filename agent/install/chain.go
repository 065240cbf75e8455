package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// conflist is a network configuration list as bytes, with the place of each
// plugin, so that an edit touches nothing else.
type conflist struct {
	data       []byte
	start, end int // of what is between the brackets of plugins
	entries    []span
}

// span is one plugin of the list.
type span struct {
	typ        string
	raw        []byte
	start, end int
}

// parseConflist finds the plugins of a list. It does not check what libcni
// checks besides.
func parseConflist(data []byte) (conflist, error) {
	l := conflist{data: data, start: -1}
	err := eachMember(data, func(dec *json.Decoder, key string) error {
		if key != "plugins" {
			var skip json.RawMessage
			return dec.Decode(&skip)
		}
		l.entries = nil // as in libcni, the last of several counts
		if t, err := dec.Token(); err != nil {
			return err
		} else if t != json.Delim('[') {
			return errors.New("plugins is not a list")
		}
		l.start = int(dec.InputOffset())
		for dec.More() {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			o, err := parseObject(raw)
			if err != nil {
				return fmt.Errorf("plugin %d: %w", len(l.entries), err)
			}
			end := int(dec.InputOffset())
			l.entries = append(l.entries, span{o.text("type"), raw, end - len(raw), end})
		}
		_, err := dec.Token()
		l.end = int(dec.InputOffset()) - 1
		return err
	})
	if err == nil && l.start < 0 {
		err = errors.New("no plugins")
	}
	return l, err
}

// holds reports whether the list has this entry once, behind the plugin that
// makes the interface, and no other entry of these types. It need not be the last:
// moving it would only make installers fight over the last place.
func (l conflist) holds(e Entry) bool {
	n, right := 0, false
	for i, p := range l.entries {
		if slices.Contains(e.ours(), p.typ) {
			n++
			right = i > 0 && sameJSON(p.raw, e.JSON)
		}
	}
	return n == 1 && right
}

// has reports whether the list has an entry of these types.
func (l conflist) has(types []string) bool { return len(l.others(types)) < len(l.entries) }

// with returns the list's bytes with the entry last and without older ones of
// ours.
func (l conflist) with(e Entry) []byte {
	kept := l.others(e.ours())
	if len(kept) == 0 {
		return l.data // nobody else's plugin: not a network
	}
	lead := l.before(kept[len(kept)-1])
	raw := []byte(e.JSON)
	if i := bytes.LastIndexByte(lead, '\n'); i >= 0 {
		raw = indent(raw, string(lead[i+1:]))
	}
	return l.join(append(l.pieces(kept), slices.Concat(lead, raw)))
}

// without returns the list's bytes without the entries of these types.
func (l conflist) without(types []string) []byte {
	kept := l.others(types)
	if len(kept) == len(l.entries) || len(kept) == 0 {
		return l.data
	}
	return l.join(l.pieces(kept))
}

// others returns the indices of the plugins of other types.
func (l conflist) others(types []string) []int {
	var kept []int
	for i, p := range l.entries {
		if !slices.Contains(types, p.typ) {
			kept = append(kept, i)
		}
	}
	return kept
}

// before is the white space between a plugin and the bracket or comma before it.
func (l conflist) before(i int) []byte {
	from := l.start
	if i > 0 {
		from = l.entries[i-1].end
	}
	gap := l.data[from:l.entries[i].start]
	return gap[bytes.IndexByte(gap, ',')+1:]
}

// after is the white space between a plugin and the comma after it.
func (l conflist) after(i int) []byte {
	if i == len(l.entries)-1 {
		return nil
	}
	gap := l.data[l.entries[i].end:l.entries[i+1].start]
	return gap[:bytes.IndexByte(gap, ',')]
}

// pieces are the kept plugins, each with the white space around it.
func (l conflist) pieces(kept []int) [][]byte {
	var pieces [][]byte
	for _, i := range kept {
		pieces = append(pieces, slices.Concat(l.before(i), l.entries[i].raw, l.after(i)))
	}
	return pieces
}

// join puts the pieces between the brackets.
func (l conflist) join(pieces [][]byte) []byte {
	tail := l.data[l.entries[len(l.entries)-1].end:l.end]
	return slices.Concat(l.data[:l.start], bytes.Join(pieces, []byte(",")), tail, l.data[l.end:])
}

// indent lays the entry out as the file that it goes into.
func indent(raw []byte, prefix string) []byte {
	step := "  "
	if len(prefix) > 0 && prefix[0] == '\t' {
		step = "\t"
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, prefix, step) != nil {
		return raw
	}
	return b.Bytes()
}

// convert makes a list of a single plugin's configuration, for a network of
// the same name and version.
func convert(data []byte) ([]byte, error) {
	o, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	list := object{}
	for _, key := range []string{"cniVersion", "name"} {
		if raw := o.get(key); raw != nil {
			list = list.set(key, raw)
		}
	}
	plugin := o.without("cniVersion", "name").encode()
	list = list.set("plugins", slices.Concat([]byte("["), plugin, []byte("]")))
	return append(indent(list.encode(), ""), '\n'), nil
}
