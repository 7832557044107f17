"""cGAN: Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784."""

import keras

import fields
from models import layers
from models.abilities import LABEL
from models.adversarial import AdversarialModel
from models.conditional import ClassConditional
from models.declarations.cgan import CGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class CGAN(ClassConditional, AdversarialModel):
    """GAN with a class-conditional generator and discriminator."""

    Hyperparameters = CGANHyperparameters

    def build_generator(self):
        """Return G: noise and one-hot class, concatenated -> images."""
        conditional = self.hp.g_conditioning == "batch_norm"
        return self.backbone().generator(
            self.image_shape,
            self.latents.dim,
            norm=self.hp.g_norm,
            num_classes=self.num_classes if conditional else 0,
            **self.layout(),
        )

    def build_discriminator(self):
        """Return D: images [b, h, w, c] and one-hot classes [b, k] -> scores [b, 1]."""
        x = keras.Input(self.image_shape, name="images")
        y = keras.Input((self.num_classes,), name="label")
        if self.hp.d_conditioning == "projection":
            features = self.build_trunk()(x)
            spectral = fields.selected(self.hp, "d_norm").spectral
            Dense = layers.SpectralDense if spectral else keras.layers.Dense
            of_class = Dense(features.shape[-1], use_bias=False, name="class")(y)
            agreement = keras.layers.Dot(axes=-1, dtype="float32")([features, of_class])
            score = keras.layers.Add(dtype="float32")([self.build_score()(features), agreement])
        else:
            maps = keras.layers.Reshape((1, 1, -1))(y)
            maps = keras.layers.UpSampling2D(self.image_shape[:2])(maps)
            channels = keras.layers.Concatenate()([x, maps])
            score = self.build_score()(self.build_trunk(channels=self.num_classes)(channels))
        return keras.Model([x, y], score, name="discriminator")

    def real_inputs(self, batch):
        return [batch.x, batch.latents[LABEL]]

    def fake_inputs(self, batch):
        return [super().fake_inputs(batch), batch.latents[LABEL]]
