package plan

import (
	"strings"
	"testing"
)

// What stands in a manifest or in a comment of a rule is text in a flowchart, and
// nothing else.
func TestALabelIsTextOnly(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := WriteMermaid(&b, Chart{Name: "in", Start: "a\"]\nclick", Steps: []Step{{"<script>`#&", "x", "bypass"}}, Decides: -1})
	if err != nil {
		t.Fatal(err)
	}
	const want = `flowchart TD
  subgraph chain0["in"]
    c0(["a#quot;]\nclick"])
    c0 --> c0r1{{"1 #lt;script#gt;#96;#35;#amp;<br/>x"}}
    c0r1 -- yes --> c0r1v["bypass"]
    c0r1 -- no --> c0e["bypass"]
  end
  classDef decides stroke-width:4px
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
