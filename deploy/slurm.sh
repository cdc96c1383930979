#!/usr/bin/env bash
#SBATCH --job-name=factory
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@120
#SBATCH --requeue
##SBATCH --gpus-per-task=1
#
#   sbatch deploy/slurm.sh RECIPE [what `factory render` takes, e.g. --output /scratch/d.zarr]
#
# A Ray of this job's own on its nodes: the head on the first, a worker on each of the others; and
# `factory render` beside the head. Two minutes before its time is up the render is told to stop;
# submitted again, it goes on from there. The folder of submission, where `factory` is installed
# (here or by `source .venv/bin/activate` before sbatch), is to be seen by every node.
set -euo pipefail

cpus=${SLURM_CPUS_PER_TASK:-1}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
host=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))  # another for each job: nodes may be shared
address=$host:$port

# Ray's own token keeps other users of these nodes out; it lies in the home folder alone.
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
ray get-auth-token --generate > /dev/null 2>&1
# Sockets' paths are at most 107 characters long.
temp=$(mktemp -d /tmp/ray-XXXXXX)
common=(--num-cpus="$cpus" --min-worker-port=0 --max-worker-port=0 --disable-usage-stats --block)

steps=()
trap 'kill "${steps[@]}" 2> /dev/null; wait; rm -rf "$temp"' EXIT

srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" \
  ray start --head --node-ip-address="$host" --port="$port" --temp-dir="$temp" \
  --include-dashboard=false "${common[@]}" > "factory-$SLURM_JOB_ID-head.log" 2>&1 &
steps+=($!)
until ray health-check --address "$address" > /dev/null 2>&1; do
  kill -0 "${steps[0]}" || exit 1
  sleep 2
done
# Each worker by itself, so that one that is lost ends no other.
for node in "${nodes[@]:1}"; do
  srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" \
    ray start --address="$address" "${common[@]}" > "factory-$SLURM_JOB_ID-$node.log" 2>&1 &
  steps+=($!)
done

# Whoever has not joined within five minutes is done without.
timeout 300 python - "$address" "${#nodes[@]}" << 'END' || true
import sys
import time

import ray

ray.init(sys.argv[1], log_to_driver=False, logging_level="error")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(1)
END

told=
set -m  # else what runs in the background is deaf to INT
factory render "$@" --address "$address" &
render=$!
trap 'told=yes; kill -INT "$render"' INT TERM
code=0
wait "$render" || code=$?
if [ -n "$told" ]; then  # the signal ended the waiting, not the render
  code=0
  wait "$render" || code=$?
fi
exit "$code"
