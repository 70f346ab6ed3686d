#!/bin/sh
# Mine training rows from a collection that is searched in parts, by processes that share nothing but a folder.
#
#   sh examples/shards.sh COLLECTION WORK PARTS TEACHER OUTPUT           one part after the other, on this machine
#   SUBMIT=slurm sh examples/shards.sh ...                               each part a task of an array job
#
# WORK is a folder that all machines see. What is there already is not made again: start the same command once more
# after a failure. RULE goes to every step that needs it, RESOURCES to sbatch.
set -eu

collection=$1 work=$2 parts=$3 teacher=$4 output=$5
rule=${RULE:---rule perc-pos=0.95 --num-negatives 4}
mkdir -p "$work"

# One command for each part, in which PART stands for its number; it is left out where its file is there.
part() {
    name=$1
    shift
    echo "test -e '$work/$name-PART' || hardmine search-shard '$collection' --teacher '$teacher' --quiet" \
        "--shard PART/$parts --cache '$work/cache-PART' $* --output '$work/$name-PART'"
}

# Runs commands now, or submits them behind the jobs in $after and leaves there the number of the new one.
after=
run() {
    array=$1 command=$2
    if [ "${SUBMIT:-}" = slurm ]; then
        command=$(echo "$command" | sed 's/PART/$SLURM_ARRAY_TASK_ID/g; s/'"'"'/"/g')
        after=$(sbatch --parsable ${array:+--array="$array"} ${after:+--dependency=afterok:"$after"} ${RESOURCES:-} \
            --wrap "$command")
    elif [ -n "$array" ]; then
        for number in $(seq "$parts"); do
            sh -c "$(echo "$command" | sed "s/PART/$number/g")"
        done
    else
        sh -c "$command"
    fi
}

files() {
    for number in $(seq "$parts"); do printf "'%s' " "$work/$1-$number"; done
}

# The scores of all positives, which are the ceilings of the second pass; its embeddings are kept in the caches.
run "1-$parts" "$(part positives -k 0)"
run "" "hardmine merge $(files positives) --output '$work/positives'"
run "1-$parts" "$(part candidates --positives "'$work/positives'" "$rule")"
run "" "hardmine merge $(files candidates) --output '$work/run'"
run "" "hardmine select '$collection' '$work/run' $rule --quiet --output '$output'"
