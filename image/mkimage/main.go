// Command mkimage packs built programs into container images.
//
//	mkimage -version v1.2.3 -out bin/image bin/linux-amd64 bin/linux-arm64
//
// Each argument is a folder with the programs of one platform. For each image
// it writes an OCI layout of all platforms (NAME/), which crane push and skopeo
// take, and an archive of each (NAME-linux-amd64.tar), which ctr images import,
// docker load and crane push take; for each platform a bill of materials
// (linux-amd64.spdx.json).
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"shunt/image"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var r image.Release
	var out string
	var created int64
	flags := flag.NewFlagSet("mkimage", flag.ExitOnError)
	flags.StringVar(&r.Version, "version", "devel", "the tag of the images")
	flags.StringVar(&r.Revision, "revision", "", "the commit, for the images' labels")
	flags.StringVar(&r.Registry, "registry", "localhost", "what stands before the images' names")
	flags.Int64Var(&created, "created", 0, "the images' time, in seconds since 1970")
	flags.StringVar(&out, "out", "bin/image", "the folder to write to; what it holds is removed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("no folder with programs given: make image builds them")
	}
	r.Created = time.Unix(created, 0)

	var trees []*image.Tree
	for _, dir := range flags.Args() {
		tree, err := image.Read(dir, image.Programs(), r)
		if err != nil {
			return err
		}
		trees = append(trees, tree)
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, t := range trees {
		if err := os.WriteFile(filepath.Join(out, t.PlatformName()+".spdx.json"), t.SBOM, 0o644); err != nil {
			return err
		}
	}
	for _, v := range image.Variants() {
		if err := write(v, r, trees, out); err != nil {
			return err
		}
	}
	return nil
}

// write writes one image, and a line for each of its platforms.
func write(v image.Variant, r image.Release, trees []*image.Tree, out string) error {
	var images []*image.Image
	for _, t := range trees {
		img, err := image.Pack(v, r, t)
		if err != nil {
			return err
		}
		archive := filepath.Join(out, v.Name+"-"+t.PlatformName()+".tar")
		if err := img.WriteArchive(archive); err != nil {
			return err
		}
		fmt.Printf("%s %s %s, %.1f MB uncompressed: %s\n", img.Name, t.PlatformName(), img.Root.Digest, float64(t.Size())/1e6, archive)
		images = append(images, img)
	}
	all, err := image.Join(images)
	if err != nil {
		return err
	}
	layout := filepath.Join(out, v.Name)
	if err := all.WriteLayout(layout); err != nil {
		return err
	}
	fmt.Printf("%s %s, all platforms: %s\n", all.Name, all.Root.Digest, layout)
	return nil
}
