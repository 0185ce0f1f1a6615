package probe

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ExecSyncer is what execs need of a runtime. cri.RuntimeServiceClient has it.
type ExecSyncer interface {
	ExecSync(ctx context.Context, in *cri.ExecSyncRequest, opts ...grpc.CallOption) (*cri.ExecSyncResponse, error)
}

// ExecIn makes an Exec of a runtime. The CRI counts timeouts in whole seconds: a part of one is one more.
func ExecIn(runtime ExecSyncer) Exec {
	return func(ctx context.Context, id string, cmd []string, timeout time.Duration) ([]byte, int, error) {
		r, err := runtime.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: cmd, Timeout: int64(math.Ceil(timeout.Seconds()))})
		if err != nil {
			return nil, 0, fmt.Errorf("exec in container: %w", err)
		}
		return slices.Concat(r.GetStdout(), r.GetStderr()), int(r.GetExitCode()), nil
	}
}
