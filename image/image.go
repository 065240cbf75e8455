// Package image packs programs that are built into container images, without a
// daemon, a network or a clock: the same programs give the same bytes.
//
// An image is as the OCI image specification 1.1 has it, for each platform one
// layer, one configuration and one manifest.
package image

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The capabilities that a program may have on file (linux/capability.h).
const (
	CapNetAdmin = 1 << 12
	CapNetRaw   = 1 << 13
)

// A Program is an executable file of an image.
type Program struct {
	Name         string   // in the root folder of the image, and of the folder that Read reads
	Capabilities uint32   // the permitted file capabilities, as a bit mask; not effective ones
	Links        []string // further names, as absolute paths
}

// Programs lists what the image holds.
func Programs() []Program {
	return []Program{
		{Name: "shunt", Capabilities: CapNetAdmin | CapNetRaw, Links: []string{
			"/opt/cni/bin/linkerd-cni",
			"/usr/lib/linkerd/linkerd2-proxy-init",
			"/usr/lib/linkerd/linkerd2-network-validator",
		}},
		{Name: "shunt-agent", Links: []string{
			"/usr/lib/linkerd/linkerd-cni-repair-controller",
		}},
	}
}

// A Variant is a name of the image, and what it does if nothing else is said.
// The layers of all variants are the same.
type Variant struct {
	Name, Description string
	Entrypoint        []string
	User              string // as uid:gid; empty is 0
}

// Variants lists the images.
func Variants() []Variant {
	return []Variant{
		{Name: "shunt", Entrypoint: []string{"/shunt-agent"},
			Description: "redirects pods' TCP traffic through their sidecar proxies"},
		{Name: "shunt-init", Entrypoint: []string{"/usr/lib/linkerd/linkerd2-proxy-init"}, User: "65534:65534",
			Description: "shunt as Linkerd's init container"},
	}
}

// Release is what images say of themselves.
type Release struct {
	Registry string    // what stands before the images' names, such as "registry.example/mesh"; may be empty
	Version  string    // their tag, too
	Revision string    // the commit; may be empty
	Created  time.Time // of the files, too
}

// An Image is one variant, for one platform or for several.
type Image struct {
	Name  string        // with registry and tag
	Tag   string        // the version
	Root  v1.Descriptor // the manifest, or the index of the platforms' manifests
	Blobs map[digest.Digest][]byte

	manifest v1.Manifest // of one platform
}

// Pack makes the image of a variant for one platform.
func Pack(v Variant, r Release, t *Tree) (*Image, error) {
	img := &Image{Name: r.name(v.Name), Tag: r.Version, Blobs: map[digest.Digest][]byte{}}
	labels := map[string]string{
		v1.AnnotationTitle:       v.Name,
		v1.AnnotationDescription: v.Description,
		v1.AnnotationVersion:     r.Version,
		v1.AnnotationCreated:     r.Created.UTC().Format(time.RFC3339),
		v1.AnnotationLicenses:    "Apache-2.0",
	}
	if r.Revision != "" {
		labels[v1.AnnotationRevision] = r.Revision
	}
	created := r.Created.UTC()
	config, err := img.addJSON(v1.MediaTypeImageConfig, v1.Image{
		Created:  &created,
		Platform: t.Platform,
		Config: v1.ImageConfig{
			User:       v.User,
			Entrypoint: v.Entrypoint,
			// One thread is what a run needs that lasts a millisecond; the
			// runtime's others cost 8 % of it.
			Env:    []string{"GOMAXPROCS=1"},
			Labels: labels,
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{t.diffID}},
		History: []v1.History{{Created: &created, CreatedBy: "shunt image"}},
	})
	if err != nil {
		return nil, err
	}
	img.manifest = v1.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   v1.MediaTypeImageManifest,
		Config:      config,
		Layers:      []v1.Descriptor{img.add(v1.MediaTypeImageLayerGzip, t.layer)},
		Annotations: labels,
	}
	if img.Root, err = img.addJSON(v1.MediaTypeImageManifest, img.manifest); err != nil {
		return nil, err
	}
	img.Root.Platform = &t.Platform
	return img, nil
}

// Join makes one image for several platforms of images for one each.
func Join(images []*Image) (*Image, error) {
	all := &Image{Name: images[0].Name, Tag: images[0].Tag, Blobs: map[digest.Digest][]byte{}}
	index := v1.Index{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   v1.MediaTypeImageIndex,
		Annotations: images[0].manifest.Annotations,
	}
	for _, img := range images {
		index.Manifests = append(index.Manifests, img.Root)
		for d, blob := range img.Blobs {
			all.Blobs[d] = blob
		}
	}
	var err error
	all.Root, err = all.addJSON(v1.MediaTypeImageIndex, index)
	return all, err
}

func (r Release) name(variant string) string {
	name := variant + ":" + r.Version
	if r.Registry != "" {
		name = r.Registry + "/" + name
	}
	return name
}

// add adds a blob and returns its descriptor.
func (img *Image) add(mediaType string, blob []byte) v1.Descriptor {
	d := sum(blob)
	img.Blobs[d] = blob
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(blob))}
}

func (img *Image) addJSON(mediaType string, value any) (v1.Descriptor, error) {
	blob, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("encode %s: %w", mediaType, err)
	}
	return img.add(mediaType, blob), nil
}

func sum(b []byte) digest.Digest {
	s := sha256.Sum256(b)
	return digest.NewDigestFromBytes(digest.SHA256, s[:])
}
