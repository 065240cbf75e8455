//go:build !amd64 && !arm64

package conformance

import "errors"

func setFirstArg(int, uint64) error { return errors.ErrUnsupported }

func setReturn(int, uint64, uint64) error { return errors.ErrUnsupported }
