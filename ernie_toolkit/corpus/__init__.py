"""Prediction of files of any size: read in chunks, answered by several processes, written so that a run can go on."""
