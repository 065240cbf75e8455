package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// sbomPath is where the bill of materials stands in an image. Scanners know it
// by its ending.
const sbomPath = "/usr/share/sbom/shunt.spdx.json"

// A Tree is what an image holds on one platform.
type Tree struct {
	Platform v1.Platform
	SBOM     []byte // SPDX 2.3, JSON

	programs []built
	layer    []byte        // compressed
	diffID   digest.Digest // of the layer before
	size     int
}

// built is a program for one platform.
type built struct {
	Program
	file []byte
	info *debug.BuildInfo
}

// Read reads the programs in a folder, all of one platform. Of which, they say
// themselves: what the go command recorded in them. Read does not check that
// they were built from the same source.
func Read(dir string, programs []Program, r Release) (*Tree, error) {
	var t Tree
	for _, p := range programs {
		name := filepath.Join(dir, p.Name)
		file, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a program: %w", err)
		}
		info, err := buildinfo.Read(bytes.NewReader(file))
		if err != nil {
			return nil, fmt.Errorf("read how %s was built: %w", name, err)
		}
		b := built{p, file, info}
		platform := b.platform()
		if platform.OS != "linux" || b.setting("CGO_ENABLED") != "0" {
			return nil, fmt.Errorf("%s cannot run in an empty image: it was built with GOOS=%s CGO_ENABLED=%s; build it with GOOS=linux CGO_ENABLED=0",
				name, platform.OS, b.setting("CGO_ENABLED"))
		}
		if len(t.programs) > 0 && platformName(platform) != t.PlatformName() {
			return nil, fmt.Errorf("programs of two platforms in %s: %s is for %s, %s for %s",
				dir, t.programs[0].Name, t.PlatformName(), p.Name, platformName(platform))
		}
		t.Platform = platform
		t.programs = append(t.programs, b)
	}
	var err error
	if t.SBOM, err = t.sbom(r); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	if err := t.pack(r.Created); err != nil {
		return nil, fmt.Errorf("pack the layer for %s: %w", t.PlatformName(), err)
	}
	return &t, nil
}

// setting returns what the go command recorded under key.
func (b built) setting(key string) string {
	i := slices.IndexFunc(b.info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
	if i < 0 {
		return ""
	}
	return b.info.Settings[i].Value
}

func (b built) platform() v1.Platform {
	p := v1.Platform{OS: b.setting("GOOS"), Architecture: b.setting("GOARCH")}
	if p.Architecture == "arm" {
		version, _, _ := strings.Cut(b.setting("GOARM"), ",") // "7" or "7,hardfloat"
		p.Variant = "v" + version
	}
	return p
}

// Size returns the size of the layer, uncompressed, in bytes.
func (t *Tree) Size() int { return t.size }

// PlatformName returns the platform as file names have it: linux-arm-v7.
func (t *Tree) PlatformName() string { return platformName(t.Platform) }

func platformName(p v1.Platform) string {
	name := p.OS + "-" + p.Architecture
	if p.Architecture == "arm" {
		name += "-" + p.Variant
	}
	return name
}

// pack makes the layer: a tar archive without any time but created.
func (t *Tree) pack(created time.Time) error {
	var entries []entry
	for _, p := range t.programs {
		e := entry{tar.Header{Typeflag: tar.TypeReg, Name: "/" + p.Name, Mode: 0o755}, p.file}
		if p.Capabilities != 0 {
			e.header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": fileCapabilities(p.Capabilities)}
		}
		entries = append(entries, e)
		for _, link := range p.Links {
			entries = append(entries, entry{tar.Header{Typeflag: tar.TypeSymlink, Name: link, Linkname: "/" + p.Name, Mode: 0o777}, nil})
		}
	}
	entries = append(entries, entry{tar.Header{Typeflag: tar.TypeReg, Name: sbomPath, Mode: 0o644}, t.SBOM})
	layer, err := pack(withFolders(entries), created)
	if err != nil {
		return err
	}
	t.diffID, t.size = sum(layer), len(layer)
	t.layer, err = compress(layer)
	return err
}

// entry is a file of a layer.
type entry struct {
	header tar.Header // the name as an absolute path
	data   []byte
}

// withFolders adds the folders that entries are in, before them.
func withFolders(entries []entry) []entry {
	var all []entry
	seen := map[string]bool{"/": true}
	var add func(dir string)
	add = func(dir string) {
		if !seen[dir] {
			seen[dir] = true
			add(path.Dir(dir))
			all = append(all, entry{tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}, nil})
		}
	}
	for _, e := range entries {
		add(path.Dir(e.header.Name))
		all = append(all, e)
	}
	return all
}

// pack writes a tar archive, everything in it root's.
func pack(entries []entry, modified time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.header
		h.Name, h.Size, h.ModTime, h.Format = h.Name[1:], int64(len(e.data)), modified, tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fileCapabilities returns the value of the extended attribute
// security.capability: struct vfs_cap_data of linux/capability.h in revision 2,
// which is valid in the initial user namespace. Permitted only: with the
// effective bit, a container that lacks one of them could not run the file at
// all.
func fileCapabilities(permitted uint32) string {
	const revision2 = 0x02000000
	var b []byte
	// The header; then permitted and inheritable, of capabilities 0 to 31 and
	// of 32 to 63.
	for _, word := range []uint32{revision2, permitted, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return string(b)
}

func compress(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
