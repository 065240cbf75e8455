package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// The part of SPDX 2.3 that says which modules are in which program
// (https://spdx.github.io/spdx-spec/v2.3/).
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string         `json:"SPDXID"`
		Name             string         `json:"name"`
		Version          string         `json:"versionInfo"`
		Purpose          string         `json:"primaryPackagePurpose"`
		DownloadLocation string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		Copyright        string         `json:"copyrightText"`
		Checksums        []spdxChecksum `json:"checksums,omitempty"`
		Refs             []spdxRef      `json:"externalRefs,omitempty"`
		Comment          string         `json:"comment,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const noAssertion = "NOASSERTION"

// sbom returns the bill of materials: each program, and the modules and the Go
// release that the go command recorded in it. The modules' licenses are not in
// there, and not asserted.
func (t *Tree) sbom(r Release) ([]byte, error) {
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT",
		Name:     "shunt-" + r.Version + "-" + t.PlatformName(),
		Creation: spdxCreation{Created: r.Created.UTC().Format(time.RFC3339), Creators: []string{"Tool: shunt-image"}},
	}
	var all []byte // what the document is about, for a name that no other has
	modules := map[string]spdxPackage{}
	for _, p := range t.programs {
		file := sum(p.file)
		all = append(all, file...)
		program := spdxPackage{
			ID: "SPDXRef-Program-" + p.Name, Name: p.Name, Version: r.Version, Purpose: "APPLICATION",
			DownloadLocation: noAssertion, LicenseConcluded: noAssertion, LicenseDeclared: "Apache-2.0", Copyright: noAssertion,
			Checksums: []spdxChecksum{{"SHA256", file.Encoded()}},
		}
		doc.Packages = append(doc.Packages, program)
		doc.Relationships = append(doc.Relationships, spdxRelationship{doc.ID, "DESCRIBES", program.ID})
		for _, m := range append(p.info.Deps, &debug.Module{Path: "stdlib", Version: strings.TrimPrefix(p.info.GoVersion, "go")}) {
			module := spdxModule(m)
			modules[module.ID] = module
			doc.Relationships = append(doc.Relationships, spdxRelationship{program.ID, "DEPENDS_ON", module.ID})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(modules)) {
		doc.Packages = append(doc.Packages, modules[id])
	}
	doc.Namespace = "urn:sha256:" + sum(all).Encoded()
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", doc.Name, err)
	}
	return append(b, '\n'), nil
}

func spdxModule(m *debug.Module) spdxPackage {
	if m.Replace != nil {
		m = m.Replace
	}
	p := spdxPackage{
		ID: "SPDXRef-Module-" + spdxID(m.Path+"-"+m.Version), Name: m.Path, Version: m.Version, Purpose: "LIBRARY",
		DownloadLocation: noAssertion, LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Copyright: noAssertion,
		Refs: []spdxRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")}},
	}
	if m.Sum != "" {
		p.Comment = "go.sum " + m.Sum
	}
	return p
}

// spdxID replaces what an SPDX identifier may not have: it has letters, digits,
// "." and "-".
func spdxID(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, text)
}
