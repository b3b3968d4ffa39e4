#!/bin/sh
# Training on four machines under Slurm: sbatch examples/slurm-train.sh RECIPE.yaml
#SBATCH --job-name=lmm-train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --signal=TERM@120
# TERM two minutes before the time limit: every rank finishes its step, the run is saved, and the same command goes on with it.
# 'accumulate' in the recipe has to be a power of two and at least the number of ranks. The run's folder must be on a shared file system.
exec mpirun --bind-to none \
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 \
    lmm train sft -c "${1:?usage: sbatch slurm-train.sh RECIPE.yaml}" -t "${SLURM_CPUS_PER_TASK:-1}"
