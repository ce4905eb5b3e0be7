#!/bin/sh
# What the submit command of a cluster does, without one: the job runs on when its submitter has ended.
setsid sh "$1" >>submitted.log 2>&1 </dev/null &
echo $!
