# Sets and metrics of the published tables of PeriodWave, up to the choice of the utterances: the lists of BigVGAN hold as
# many, see --dev_list.
# shellcheck shell=bash disable=SC2034

# Sourced after libritts_corpus.sh.
train_set=train-clean-100,train-clean-360,train-other-500
dev_set=dev-clean,dev-other
test_set=test-clean,test-other
num_dev=208
num_test=200
# With a tracker of pitch that needs no GPU.
metrics=pesq,mstft,periodicity:swift,vuv_f1:swift,pitch_cents:swift,mel_l1,mcd,dnsmos_p808,level_difference
