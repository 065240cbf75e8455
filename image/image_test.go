package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"shunt/netns/netnstest"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	netnstest.Main(m)
}

var testRelease = Release{
	Registry: "registry.example/mesh", Version: "v1.2.3", Revision: "0123abcd",
	Created: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
}

// TestImage builds the programs and packs them for this machine's platform.
func TestImage(t *testing.T) {
	t.Parallel()
	dir := buildPrograms(t)
	tree, err := Read(dir, Programs(), testRelease)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("what the layer holds", func(t *testing.T) { testLayer(t, tree) })
	t.Run("the same programs give the same bytes", func(t *testing.T) { testReproducible(t, dir) })
	t.Run("the layout is one", func(t *testing.T) { testLayout(t, tree) })
	t.Run("the bill of materials", func(t *testing.T) { testSBOM(t, tree) })
	t.Run("under containerd", func(t *testing.T) { testContainerd(t, tree) })
}

// buildPrograms builds the image's programs and returns their folder.
func buildPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", dir + "/"}
	for _, p := range Programs() {
		args = append(args, "shunt/cmd/"+p.Name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return dir
}

// packed returns the image of the first variant.
func packed(t *testing.T, tree *Tree) *Image {
	t.Helper()
	img, err := Pack(Variants()[0], testRelease, tree)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func testLayer(t *testing.T, tree *Tree) {
	var got strings.Builder
	z, err := gzip.NewReader(bytes.NewReader(tree.layer))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%c %04o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&got, " -> %s", h.Linkname)
		}
		if x, ok := h.PAXRecords["SCHILY.xattr.security.capability"]; ok {
			fmt.Fprintf(&got, " capability=%x", x)
		}
		if !h.ModTime.Equal(testRelease.Created) {
			fmt.Fprintf(&got, " %s", h.ModTime)
		}
		got.WriteByte('\n')
	}
	// 0 is the type of a file, 2 of a symbolic link, 5 of a folder. The
	// capabilities are version 2, permitted 0x3000.
	const want = `0 0755 0:0 shunt capability=0000000200300000000000000000000000000000
5 0755 0:0 opt/
5 0755 0:0 opt/cni/
5 0755 0:0 opt/cni/bin/
2 0777 0:0 opt/cni/bin/linkerd-cni -> /shunt
5 0755 0:0 usr/
5 0755 0:0 usr/lib/
5 0755 0:0 usr/lib/linkerd/
2 0777 0:0 usr/lib/linkerd/linkerd2-proxy-init -> /shunt
2 0777 0:0 usr/lib/linkerd/linkerd2-network-validator -> /shunt
0 0755 0:0 shunt-agent
2 0777 0:0 usr/lib/linkerd/linkerd-cni-repair-controller -> /shunt-agent
5 0755 0:0 usr/share/
5 0755 0:0 usr/share/sbom/
0 0644 0:0 usr/share/sbom/shunt.spdx.json
`
	if got.String() != want {
		t.Errorf("the layer holds\n%s\nwant\n%s", &got, want)
	}
	if max := 35 << 20; tree.Size() > max {
		t.Errorf("%d bytes uncompressed, more than %d", tree.Size(), max)
	}
}

// testReproducible packs the same programs again, from files with other times.
func testReproducible(t *testing.T, dir string) {
	pack := func(dir string) (archive []byte) {
		tree, err := Read(dir, Programs(), testRelease)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "image.tar")
		if err := packed(t, tree).WriteArchive(path); err != nil {
			t.Fatal(err)
		}
		if archive, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		return archive
	}
	again := t.TempDir()
	for _, p := range Programs() {
		file, err := os.ReadFile(filepath.Join(dir, p.Name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(again, p.Name)
		if err := errors.Join(os.WriteFile(path, file, 0o600), os.Chtimes(path, time.Time{}, time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(pack(dir), pack(again)) {
		t.Error("two archives of the same programs differ")
	}
}

// testLayout follows the descriptors from index.json to every blob.
func testLayout(t *testing.T, tree *Tree) {
	other := *tree
	other.Platform = v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	all, err := Join([]*Image{packed(t, tree), packed(t, &other)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := all.WriteLayout(dir); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	read := func(d v1.Descriptor, into any) {
		t.Helper()
		path := filepath.Join("blobs", "sha256", d.Digest.Encoded())
		b, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		seen[path] = true
		if sum(b) != d.Digest || int64(len(b)) != d.Size {
			t.Errorf("%s holds %d bytes with the digest %s; the descriptor says %d", path, len(b), sum(b), d.Size)
		}
		if into != nil {
			if err := json.Unmarshal(b, into); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	var top, index v1.Index
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(b, &top)
	}
	if err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json: %v, %d entries", err, len(top.Manifests))
	}
	if name := top.Manifests[0].Annotations["io.containerd.image.name"]; name != "registry.example/mesh/shunt:v1.2.3" {
		t.Errorf("the image's name is %q", name)
	}
	read(top.Manifests[0], &index)
	for i, platform := range []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}, other.Platform} {
		d := index.Manifests[i]
		var manifest v1.Manifest
		var config v1.Image
		read(d, &manifest)
		read(manifest.Config, &config)
		read(manifest.Layers[0], nil)
		if d.Platform.Architecture != platform.Architecture || config.Variant != platform.Variant {
			t.Errorf("platform %d is %s, and the image %s; want %s", i, platformName(*d.Platform), platformName(config.Platform), platformName(platform))
		}
		if config.RootFS.DiffIDs[0] != tree.diffID {
			t.Errorf("the configuration's layer is %s, want %s", config.RootFS.DiffIDs[0], tree.diffID)
		}
	}
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil || len(blobs) != len(seen) {
		t.Errorf("%d blobs, and %d that a descriptor names (%v)", len(blobs), len(seen), err)
	}
}

// testSBOM checks that every module of the programs is in there, and that
// every name in it is one that it explains.
func testSBOM(t *testing.T, tree *Tree) {
	var doc spdxDocument
	if err := json.Unmarshal(tree.SBOM, &doc); err != nil {
		t.Fatal(err)
	}
	names, ids := map[string]bool{}, map[string]bool{doc.ID: true}
	for _, p := range doc.Packages {
		if ids[p.ID] {
			t.Errorf("two packages have the identifier %s", p.ID)
		}
		names[p.Name+"@"+p.Version], ids[p.ID] = true, true
	}
	want := []string{"stdlib@" + strings.TrimPrefix(runtime.Version(), "go")}
	for _, p := range tree.programs {
		want = append(want, p.Name+"@v1.2.3")
		for _, m := range p.info.Deps {
			want = append(want, m.Path+"@"+m.Version)
		}
	}
	for _, name := range want {
		if !names[name] {
			t.Errorf("%s is not in the bill of materials", name)
		}
	}
	for _, r := range doc.Relationships {
		if !ids[r.From] || !ids[r.To] {
			t.Errorf("a relationship of what is not there: %v", r)
		}
	}
	if text := "pkg:golang/github.com/spf13/cobra@v"; !strings.Contains(string(tree.SBOM), text) {
		t.Errorf("the bill of materials is without %s, which shunt links", text)
	}
}

// What the go command records decides the platform.
func TestPlatform(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string][]debug.BuildSetting{
		"linux-amd64":  {{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "amd64"}, {Key: "GOAMD64", Value: "v1"}},
		"linux-arm64":  {{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}},
		"linux-arm-v7": {{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm"}, {Key: "GOARM", Value: "7"}},
		"linux-arm-v6": {{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm"}, {Key: "GOARM", Value: "6,softfloat"}},
	} {
		b := built{info: &debug.BuildInfo{Settings: settings}}
		if got := platformName(b.platform()); got != want {
			t.Errorf("%v is %s, want %s", settings, got, want)
		}
	}
}

// A folder that has not what an image needs is an error that says what.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	script := t.TempDir()
	if err := os.WriteFile(filepath.Join(script, "shunt"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, text := range map[string]string{
		t.TempDir(): "no such file",
		script:      "read how",
	} {
		if _, err := Read(dir, Programs(), testRelease); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("Read: %v, want %q", err, text)
		}
	}
}
